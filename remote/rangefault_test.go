package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultCases are what a connection may do; each read gives the right bytes or the named error.
var faultCases = []struct {
	name  string
	fault func(o *origin, n int64, w http.ResponseWriter, r *http.Request) bool
	once  error // the outcome when only the first request fails; nil: right bytes
	ever  error // the outcome when all requests fail
}{
	{"reset before the header", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		hijack(w, true)
		return true
	}, nil, ErrOffline},
	{"reset in the body", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 70_000)
		hijack(w, true)
		return true
	}, nil, nil},
	{"end in the body", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 70_000)
		hijack(w, false)
		return true
	}, nil, nil},
	{"end before the body", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 0)
		hijack(w, false)
		return true
	}, nil, ErrOffline},
	{"shifted range", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		first, last := askedRange(r)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first+1, last+1, len(o.content)+5))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(o.content[first : last+1])
		return true
	}, nil, ErrChanged},
	{"range of other bytes", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		_, last := askedRange(r)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", 0, last/2, len(o.content)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(o.content[:last/2+1])
		return true
	}, nil, ErrProtocol},
	{"no range", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusPartialContent)
		w.Write(o.content)
		return true
	}, nil, ErrProtocol},
	{"unknown total", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		first, last := askedRange(r)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", first, last))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(o.content[first : last+1])
		return true
	}, nil, ErrProtocol},
	{"compressed", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		o.partial(w, r, 1<<30)
		return true
	}, nil, ErrProtocol},
	{"JSON 400141", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		return answer200(w, "application/json", `{"errno":400141,"errmsg":"need verify"}`)
	}, nil, ErrVerify},
	{"JSON 424629 as text", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		return answer200(w, "text/json; charset=utf-8", `{"errno":"424629"}`)
	}, nil, ErrThrottled},
	{"JSON under no type", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		return answer200(w, "application/octet-stream", `{"errno":400141}`)
	}, nil, ErrProtocol},
	{"HTML", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		return answer200(w, "text/html; charset=utf-8", "<!DOCTYPE html><title>Log in</title>")
	}, nil, ErrOffline},
	{"HTML without end", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.(http.Flusher).Flush()
		return answer200(w, "text/html", "<html>")
	}, nil, ErrProtocol},
	{"429", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}, nil, ErrThrottled},
	{"503", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}, nil, ErrServer},
	{"expired", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error_code":31360}`)
		return true
	}, nil, ErrServer},
	{"404", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	}, nil, ErrServer},
	{"404 that says 404", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errno":404,"error":"File not found"}`)
		return true
	}, nil, ErrServer},
	{"forbidden", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error_code":31211}`)
		return true
	}, ErrPermission, ErrPermission},
	{"416", func(o *origin, _ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}, nil, ErrChanged},
	{"silence", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}, nil, ErrOffline},
	{"silence in the body", func(o *origin, _ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 5)
		<-r.Context().Done()
		return true
	}, nil, ErrOffline},
}

func TestFaultsGiveRightBytesOrACleanError(t *testing.T) {
	const size = 300_000
	for _, c := range faultCases {
		for _, always := range []bool{false, true} {
			for _, at := range []struct {
				name   string
				off, n int64
			}{{"head", 0, 5000}, {"middle", 150_000, 100_000}, {"tail", size - 3000, 3000}, {"whole", 0, size}} {
				t.Run(fmt.Sprintf("%s/always=%t/%s", c.name, always, at.name), func(t *testing.T) {
					o := newOrigin(t, size)
					o.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
						return (always || n == 1) && c.fault(o, n, w, r)
					}
					timeout := 3 * time.Second // time enough on a busy machine
					if always {
						timeout = 300 * time.Millisecond
					}
					r := o.reader(t, timeout)
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					want := c.once
					if always {
						want = c.ever
					}
					got, err := read(ctx, r, o.object("/a.bin"), at.off, at.n)
					for n := 0; n < 3 && always && errors.Is(err, ErrOffline) && want != ErrOffline; n++ {
						// A busy machine was silent for the 100 ms the last attempt had.
						got, err = read(ctx, r, o.object("/a.bin"), at.off, at.n)
					}
					require.NoError(t, ctx.Err(), "hung")
					if want == nil {
						require.NoError(t, err)
						require.True(t, bytes.Equal(o.content[at.off:at.off+at.n], got), "wrong bytes")
						return
					}
					require.ErrorIs(t, err, want)
					assert.True(t, bytes.HasPrefix(o.content[at.off:], got), "wrong bytes before the error")
					assert.NotContains(t, err.Error(), "gen=", "the error shows the link")
				})
			}
		}
	}
}

package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var sample = Event{Kind: ConflictCopy, Time: time.Unix(1e9, 0).UTC(), Mountpoint: "/mnt", Source: "default:/", Path: "/mnt/a", Copy: "/mnt/a (conflict)"}

const sampleText = `{"event":"conflict-copy","time":"2001-09-09T01:46:40Z","mountpoint":"/mnt","source":"default:/","path":"/mnt/a","copy":"/mnt/a (conflict)"}`

func TestCommandGetsTheEvent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := &Command{Line: `cat >$OUT; echo "$TERABOXFS_EVENT $HOME" >>$OUT; echo noise`, Env: []string{"OUT=" + out, "PATH=" + os.Getenv("PATH")}, Timeout: time.Minute}
	require.NoError(t, c.Tell(t.Context(), sample))
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, sampleText+"\nconflict-copy \n", string(got), "and nothing of our environment")
}

func TestCommandsFail(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH")}
	err := (&Command{Line: "exit 3", Env: env, Timeout: time.Minute}).Tell(t.Context(), sample)
	require.ErrorContains(t, err, "exit status 3")
	began := time.Now()
	err = (&Command{Line: "sleep 60 & wait", Env: env, Timeout: 50 * time.Millisecond}).Tell(t.Context(), sample)
	require.ErrorContains(t, err, "ended after 50ms")
	assert.Less(t, time.Since(began), 20*time.Second, "what it started is ended too")
	require.NoError(t, (&Command{Line: "exec <&-; true", Env: env, Timeout: time.Minute}).Tell(t.Context(), sample), "one that does not read")
}

// postBox counts posts and answers with the statuses of a list, of which the last stays.
type postBox struct {
	*httptest.Server
	posts atomic.Int32
	body  atomic.Value
}

func newPostBox(t *testing.T, statuses ...int) (*postBox, *URL) {
	b := new(postBox)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(b.posts.Add(1))
		text, _ := io.ReadAll(r.Body)
		b.body.Store(r.Method + " " + r.Header.Get("Content-Type") + " " + string(text))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(statuses[min(n, len(statuses))-1])
	}))
	t.Cleanup(b.Close)
	u := NewURL(b.URL + "/hook?token=s3cret")
	u.pause = time.Millisecond
	t.Cleanup(u.Close)
	return b, u
}

func TestPosts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		statuses []int
		posts    int
		err      string
	}{
		{"taken", []int{204}, 1, ""},
		{"taken later", []int{503, 429, 200}, 3, ""},
		{"never taken", []int{500}, postTries, "HTTP 500"},
		{"refused", []int{403}, 1, "HTTP 403"},
		{"sent elsewhere", []int{307}, 1, "redirects are not followed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			box, u := newPostBox(t, tc.statuses...)
			err := u.Tell(t.Context(), sample)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
				assert.NotContains(t, err.Error(), "s3cret")
			}
			assert.EqualValues(t, tc.posts, box.posts.Load())
			assert.Equal(t, "POST application/json "+sampleText, box.body.Load())
		})
	}
	_, u := newPostBox(t, 200)
	u.address = "http://127.0.0.1:1/?token=s3cret"
	err := u.Tell(t.Context(), sample)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "s3cret")
}

// flaky is a sink that fails while it is told to.
type flaky struct {
	failing bool
	told    []Event
}

func (f *flaky) Tell(_ context.Context, e Event) error {
	f.told = append(f.told, e)
	if f.failing = e.Error != ""; f.failing {
		return errors.New("no")
	}
	return nil
}

func TestFeedLogsARowOfFailuresOnce(t *testing.T) {
	var log bytes.Buffer
	bus, sink := &Bus{}, &flaky{}
	sub := bus.Subscribe(4)
	for _, failure := range []string{"", "x", "x", "", "dropped", "dropped"} {
		bus.Publish(Event{Kind: UploadFailed, Error: failure})
	}
	sub.Close()
	Feed(t.Context(), sub, sink, slog.New(slog.NewTextHandler(&log, nil)))
	assert.Len(t, sink.told, 4)
	assert.Equal(t, 1, strings.Count(log.String(), "could not be handed over;"))
	assert.Contains(t, log.String(), "handed over again")
	assert.Contains(t, log.String(), "lost=2")
}

// TestJSONNames: the names are a promise.
func TestJSONNames(t *testing.T) {
	text, err := json.Marshal(Event{Kind: AccountState, State: "gated", Previous: "ok", Error: "captcha", Hint: "open the site", Used: 1, Total: 2, Files: 3,
		Directory: "/mnt/d", Changed: []string{"a"}, Removed: []string{"b"}, More: 4})
	require.NoError(t, err)
	for _, name := range []string{"event", "time", "mountpoint", "source", "directory", "changed", "removed", "more", "error", "files", "state", "previous", "hint", "used", "total"} {
		assert.Contains(t, string(text), `"`+name+`":`)
	}
}

package emulator

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// errCut is what a handler's Write gets after a fault has cut its connection.
var errCut = errors.New("emulator: connection cut by a fault")

// tamper runs the handler with a writer that spoils its answer on the way out.
func (f *Fault) tamper(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	t := &tamperWriter{ResponseWriter: w, f: f, r: r}
	if f.Action == "reset" && f.Bytes == 0 {
		cutConn(w, true)
		return
	}
	h(t, r)
	if cuts := f.Action == "truncate" || f.Action == "reset"; cuts && !t.cut {
		t.cutNow() // the body was shorter than Bytes: the connection ends with it all the same
	}
}

// tamperWriter passes a handler's answer on, changed as the rule says.
type tamperWriter struct {
	http.ResponseWriter
	f *Fault
	r *http.Request

	wrote int64 // body bytes passed on
	began bool  // the header has been written
	cut   bool
}

// WriteHeader shifts Content-Range for "wrong-range" and otherwise passes the header on.
func (t *tamperWriter) WriteHeader(status int) {
	if t.cut {
		return
	}
	if !t.began && t.f.Action == "wrong-range" {
		shift := t.f.Bytes
		if shift == 0 {
			shift = 4096
		}
		if cr := t.Header().Get("Content-Range"); cr != "" {
			t.Header().Set("Content-Range", shiftContentRange(cr, shift))
		}
	}
	t.began = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tamperWriter) Write(p []byte) (int, error) {
	if t.cut {
		return 0, errCut
	}
	if !t.began {
		t.WriteHeader(http.StatusOK)
	}
	switch t.f.Action {
	case "slow":
		return t.writeSlowly(p)
	case "wrong-bytes":
		return t.count(t.ResponseWriter.Write(corrupt(p, t.wrote)))
	case "truncate", "reset":
		left := t.f.Bytes - t.wrote
		if int64(len(p)) < left {
			return t.count(t.ResponseWriter.Write(p))
		}
		n, _ := t.count(t.ResponseWriter.Write(p[:left]))
		t.cutNow()
		return n, errCut
	}
	return t.count(t.ResponseWriter.Write(p))
}

func (t *tamperWriter) count(n int, err error) (int, error) {
	t.wrote += int64(n)
	return n, err
}

// writeSlowly sends p in slices of about a twentieth of a second at the rule's rate, each after the
// time it takes.
func (t *tamperWriter) writeSlowly(p []byte) (int, error) {
	slice := int(max(t.f.Bytes/20, 1))
	done := 0
	for done < len(p) {
		end := min(done+slice, len(p))
		pause := time.Duration(float64(end-done) / float64(t.f.Bytes) * float64(time.Second))
		if !wait(t.r, pause) {
			return done, errCut
		}
		n, err := t.count(t.ResponseWriter.Write(p[done:end]))
		done += n
		if err == nil {
			err = http.NewResponseController(t.ResponseWriter).Flush()
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// cutNow sends the bytes that are still to arrive and ends the connection.
func (t *tamperWriter) cutNow() {
	t.cut = true
	if t.began {
		http.NewResponseController(t.ResponseWriter).Flush()
	}
	cutConn(t.ResponseWriter, t.f.Action == "reset")
}

// cutConn closes the connection under the answer: with a RST when reset is set, else with a FIN.
// What the handler wrote and did not flush is lost. It must be the last thing done with w.
func cutConn(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // a recorder or HTTP/2: ending the stream is all that can be done
	}
	if tcp := tcpConnOf(conn); reset && tcp != nil {
		tcp.SetLinger(0) // close then sends RST
	}
	conn.Close()
}

// tcpConnOf returns the TCP connection under the emulator's own wrapper, or nil.
func tcpConnOf(c net.Conn) *net.TCPConn {
	for {
		switch v := c.(type) {
		case *net.TCPConn:
			return v
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return nil
		}
	}
}

// deafWriter is the http.ResponseWriter of an answer that nobody will hear.
type deafWriter struct{ header http.Header }

func (d *deafWriter) Header() http.Header         { return d.header }
func (d *deafWriter) WriteHeader(int)             {}
func (d *deafWriter) Write(p []byte) (int, error) { return len(p), nil }

// corrupt returns a copy of p in which one byte of every 1024 of the body is inverted, the first
// among them; off is p's offset in the body.
func corrupt(p []byte, off int64) []byte {
	out := append([]byte(nil), p...)
	for i := (1024 - off%1024) % 1024; i < int64(len(out)); i += 1024 {
		out[i] ^= 0xff
	}
	return out
}

// shiftContentRange moves both ends of "bytes A-B/T" by shift bytes; it returns values of another
// form unchanged.
func shiftContentRange(value string, shift int64) string {
	span, total, ok := strings.Cut(strings.TrimPrefix(value, "bytes "), "/")
	var from, to int64
	if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); !ok || err != nil {
		return value
	}
	return fmt.Sprintf("bytes %d-%d/%s", from+shift, to+shift, total)
}

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// ErrTaken is returned when a living daemon has the id already.
var ErrTaken = errors.New("a teraboxfs mount is there already")

// progressEvery is the time between two lines of a drain.
const progressEvery = 200 * time.Millisecond

// Server answers on the socket of one mount. Listen makes it, Serve lets it answer, Close ends it.
type Server struct {
	path     string
	lock     *flock.Flock
	listener net.Listener
	http     *http.Server
	quit     context.CancelFunc // ends the drains being answered
	serving  sync.WaitGroup
}

// Listen takes the id in dir, which it creates if need be: it returns ErrTaken while another process
// has it, and replaces what a dead one left. Requests wait until Serve.
func Listen(dir, id string) (*Server, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	path := filepath.Join(dir, id+".sock")
	// The lock and not the socket says who is alive: it ends with its process.
	lock := flock.New(filepath.Join(dir, id+".lock"), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("control socket %q: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("control socket %q: %w", path, ErrTaken)
	}
	listener, err := listenUnix(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket %q: %w", path, err), lock.Unlock())
	}
	return &Server{path: path, lock: lock, listener: listener}, nil
}

// listenUnix makes the socket, 0600 whatever the umask is. The directory is private, so nobody can
// come in between.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// Serve answers for d from a goroutine of the server's, which ends with Close.
func (s *Server) Serve(d Daemon) {
	ctx, quit := context.WithCancel(context.Background())
	s.quit = quit
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(d.Status())
	})
	mux.HandleFunc("POST /v1/drain", func(w http.ResponseWriter, r *http.Request) { drain(w, r, d) })
	mux.HandleFunc("POST /v1/queue", func(w http.ResponseWriter, r *http.Request) { answerLines(w, r, d.Queue, lastQueueLine) })
	mux.HandleFunc("POST /v1/cache", func(w http.ResponseWriter, r *http.Request) { answerLines(w, r, d.Cache, lastCacheLine) })
	mux.HandleFunc("POST /v1/info", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Info) })
	mux.HandleFunc("POST /v1/login", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Login) })
	mux.HandleFunc("POST /v1/set", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Set) })
	mux.HandleFunc("POST /v1/refresh", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Refresh) })
	mux.HandleFunc("POST /v1/samples", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Samples) })
	mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, r *http.Request) { watch(w, r, d) })
	mux.HandleFunc("POST /v1/profile", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Profile) })
	mux.HandleFunc("POST /v1/programs", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.Programs) })
	mux.HandleFunc("POST /v1/page", func(w http.ResponseWriter, r *http.Request) { answerOne(w, r, d.PageLink) })
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.serving.Go(func() { s.http.Serve(s.listener) })
}

// drain answers with a line of progress every now and then, and with how the drain ended.
func drain(w http.ResponseWriter, r *http.Request, d Daemon) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	ended := make(chan error, 1)
	go func() { ended <- d.Drain(r.Context()) }() // ends with the request
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		p := progressOf(d.Status().Pending)
		select {
		case err := <-ended:
			p = progressOf(d.Status().Pending)
			p.Done = true
			if err != nil {
				p.Err = err.Error()
			}
			out.Encode(p)
			return
		case <-tick.C:
		}
		if out.Encode(p) != nil || flush.Flush() != nil {
			<-ended // nobody listens: the request's context is done
			return
		}
	}
}

// Close ends every answer, removes the socket and frees the id.
func (s *Server) Close() error {
	var err error
	if s.http != nil {
		s.quit()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err = s.http.Shutdown(ctx); err != nil {
			err = s.http.Close()
		}
		s.serving.Wait()
	} else {
		err = s.listener.Close()
	}
	return errors.Join(err, s.lock.Unlock())
}

package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// aliveTime is how long a mount may take to answer before it counts as hung.
const aliveTime = 5 * time.Second

// Source is a mount as monitoring sees it. Its methods are called from several goroutines.
type Source interface {
	// Metrics writes all figures. It does not wait.
	Metrics(to *Text)
	// Alive asks the mount for something through the kernel. It may take for ever.
	Alive() error
	// Ready returns why the mount is not usable, in one line. It does not wait.
	Ready() error
}

// Server answers at one address. Listen makes it, Serve names the mount, Close ends it.
type Server struct {
	listener net.Listener
	http     *http.Server
	serving  sync.WaitGroup
	source   atomic.Pointer[Source] // nil until Serve

	mu     sync.Mutex
	asking chan struct{} // guarded by mu; closed with the answer of Alive; nil: nobody asks
	alive  error         // guarded by mu; the last answer
}

// Listen takes the address and answers there, that nothing is ready yet, from a goroutine that ends with Close.
func Listen(address string, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics at %s: %w", address, err)
	}
	s := &Server{listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	s.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "err", err)
		}
	})
	return s, nil
}

// Serve has the server show a mount, which is complete now.
func (s *Server) Serve(src Source) { s.source.Store(&src) }

// Address is where it listens.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Close ends every answer.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.serving.Wait()
	return err
}

// errStarting: there is no mount yet.
var errStarting = errors.New("starting")

// errHung: the mount does not answer.
var errHung = errors.New("the mount does not answer")

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	src := s.source.Load()
	if src == nil {
		answer(w, errStarting)
		return
	}
	var text Text
	(*src).Metrics(&text)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, text.String()) // who asked may have gone
}

// healthz is 200 as long as restarting the process would not help.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	src := s.source.Load()
	if src == nil {
		answer(w, nil)
		return
	}
	answer(w, s.ask(r.Context(), *src))
}

// readyz is 200 when programs can use the mount and everything works.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	src := s.source.Load()
	if src == nil {
		answer(w, errStarting)
		return
	}
	answer(w, (*src).Ready())
}

// ask is Alive with an end: everybody waits for the one who asks, each for aliveTime at most.
func (s *Server) ask(ctx context.Context, src Source) error {
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	s.mu.Lock()
	asking := s.asking
	if asking == nil {
		asking = make(chan struct{})
		s.asking = asking
		go func() { // ends with the answer
			err := src.Alive()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.alive, s.asking = err, nil
			close(asking)
		}()
	}
	s.mu.Unlock()
	select {
	case <-asking:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.alive
	case <-ctx.Done():
		return errHung
	}
}

// answer is "ok", or 503 and why not in a line.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error()
	}
	_, _ = io.WriteString(w, text+"\n") // who asked may have gone
}

package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTime = 5 * time.Second // for a request to come
	idleTime   = 2 * time.Minute // a connection is kept without one
	closeTime  = time.Second     // answers under way may take when the server ends
)

// Server serves the page of one mount. Listen makes it, Serve lets it answer, Close ends it.
type Server struct {
	address  Address
	listener net.Listener
	access   *access
	log      *slog.Logger

	http    *http.Server
	quit    context.CancelFunc // ends every answer
	serving sync.WaitGroup     // the goroutine that accepts

	mu        sync.Mutex
	closed    bool           // guarded by mu; nothing is answered any more
	answering sync.WaitGroup // requests; Add only under mu while !closed
}

// Listen takes the address. Requests wait until Serve.
func Listen(at Address, log *slog.Logger) (*Server, error) {
	l, err := at.listen()
	if err != nil {
		return nil, fmt.Errorf("status page at %s: %w", at, err)
	}
	return &Server{address: at, listener: l, access: newAccess(time.Now), log: log}, nil
}

// Serve answers for src from a goroutine of the server's, which ends with Close.
func (s *Server) Serve(src Source) {
	ctx, quit := context.WithCancel(context.Background())
	s.quit = quit
	s.http = &http.Server{
		Handler:           s.counted(newGuard(s.access, s.listener.Addr(), routes(ctx, src, s.access.token))),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the status page has ended", "err", err)
		}
	})
}

// counted has Close wait for the requests that h answers: net/http does not.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		s.answering.Add(1)
		s.mu.Unlock()
		defer s.answering.Done()
		h.ServeHTTP(w, r)
	})
}

// Place is where the page is; it lets nobody in.
func (s *Server) Place() string {
	if s.address.Unix != "" {
		return s.address.String()
	}
	return "http://" + s.listener.Addr().String() + "/"
}

// Link is Place with a ticket, which lets one browser in, once, within the hour. At a Unix socket the file's mode does that. It is a secret.
func (s *Server) Link() string {
	if s.address.Unix != "" {
		return s.Place()
	}
	return s.Place() + "?token=" + s.access.ticket()
}

// Close ends every answer and gives the address back. Afterwards nothing is asked of the Source any more.
func (s *Server) Close() error {
	if s.http == nil {
		return s.listener.Close()
	}
	s.quit()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.serving.Wait()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.answering.Wait()
	return err
}

package emulator

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Serve answers on l, with the configured latency and bandwidth, until Close. It then returns nil.
func (s *Server) Serve(l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return errors.Join(errClosed, l.Close())
	}
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	err := srv.Serve(s.shape(l))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Running is a service that answers on addresses of its own.
type Running struct {
	URL    string // http://host:port, without a slash at the end
	Server *Server

	ends chan error // one for each listener
	n    int
}

// Start makes a service and lets it answer on addr, for instance 127.0.0.1:0, and on Config.CDNHost if that is set.
func Start(cfg Config, addr string) (*Running, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	listeners := []net.Listener{l}
	if cfg.CDNHost != "" {
		cdn, err := net.Listen("tcp", cfg.CDNHost)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start emulator's CDN: %w", err), l.Close())
		}
		cfg.CDNHost = cdn.Addr().String()
		listeners = append(listeners, cdn)
	}
	s, err := New(cfg)
	if err != nil {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		return nil, err
	}
	run := &Running{URL: "http://" + l.Addr().String(), Server: s, ends: make(chan error, len(listeners)), n: len(listeners)}
	for _, l := range listeners {
		go func() { run.ends <- s.Serve(l) }() // ends with Close, which waits for it
	}
	return run, nil
}

// Close ends the service and waits for its listeners and requests.
func (r *Running) Close() error {
	err := r.Server.Close()
	for ; r.n > 0; r.n-- {
		err = errors.Join(err, <-r.ends)
	}
	return err
}

// baseURL is the scheme and host under which r reached the service, so that absolute URLs survive a proxy in front.
func baseURL(r *http.Request) string { return schemeOf(r) + "://" + r.Host }

// schemeOf is the scheme under which r reached the service.
func schemeOf(r *http.Request) string {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

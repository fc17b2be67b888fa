package emulator

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// SetFaults replaces the rules in force; their counters begin at zero. It returns an error, and
// changes nothing, when a rule names an unknown action or can never fire as written.
func (s *Server) SetFaults(faults []Fault) error {
	if err := s.checkEndpoints(faults); err != nil {
		return err
	}
	return s.faults.set(faults)
}

// AddFaults appends rules to those in force.
func (s *Server) AddFaults(faults ...Fault) error {
	if err := s.checkEndpoints(faults); err != nil {
		return err
	}
	return s.faults.add(faults)
}

// checkEndpoints refuses rules for endpoints that are not in the route table: they would never fire.
func (s *Server) checkEndpoints(faults []Fault) error {
	for _, f := range faults {
		if f.Endpoint != "*" && !s.routes.has(f.Endpoint) {
			return fmt.Errorf("action %q: unknown endpoint %q", f.Action, f.Endpoint)
		}
	}
	return nil
}

// Faults returns the rules in force, each with how often it matched and fired.
func (s *Server) Faults() []Fault { return s.faults.list() }

// withFaults puts the fault engine around a handler that answers for the endpoint called name.
func (s *Server) withFaults(name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.faults.empty() {
			h(w, r)
			return
		}
		r, st := withRequestFaults(r, name, s.done)
		f := s.faults.pick(newFaultCall(name, r), isTransportAction)
		if f == nil {
			h(w, r)
			return
		}
		st.mu.Lock()
		st.picked = f
		st.mu.Unlock()
		f.act(name, w, r, h)
	}
}

// faulted reports whether the semantic action befalls this request. Handlers ask at the point
// where the service would have gone wrong; asking again gives the same answer.
func (s *Server) faulted(r *http.Request, action string) bool {
	st := requestFaultsOf(r)
	if st == nil {
		return false
	}
	return st.decide(&s.faults, newFaultCall(st.endpoint, r), action)
}

// activeFault returns the rule acting on the request, or nil; for handlers that take Errno, Delay
// or Bytes from it.
func activeFault(r *http.Request) *Fault {
	st := requestFaultsOf(r)
	if st == nil {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.picked
}

func isTransportAction(action string) bool { return slices.Contains(transportActions, action) }

// act carries out a transport action around the handler.
func (f *Fault) act(endpoint string, w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	if f.Action != "stall" && !wait(r, time.Duration(f.Delay)) {
		return
	}
	switch f.Action {
	case "delay":
		h(w, r)
	case "status":
		f.answerStatus(w)
	case "errno":
		f.answerErrno(endpoint, w)
	case "json-for-bytes":
		f.answerOK(w, "application/json", fmt.Sprintf(`{"errno":%d,"errmsg":"need verify"}`, orInt(f.Errno, 400141)))
	case "html":
		f.answerOK(w, "text/html; charset=utf-8", loginPageHTML)
	case "garbage":
		f.answerOK(w, "application/json", "{\"errno\":0,\"list\":[{\"fs_id\":9110,\x00\xff<")
	case "gzip-bomb":
		f.answerBomb(w)
	case "stall":
		f.stall(w, r)
	case "drop-answer":
		h(&deafWriter{header: http.Header{}}, r)
		cutConn(w, false)
	case "ignore-range":
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		r.Header.Del("If-Range")
		h(w, r)
	default: // slow, truncate, reset, wrong-range, wrong-bytes
		f.tamper(w, r, h)
	}
}

// loginPageHTML is what a proxy, a portal or a dead session shows in place of an answer.
const loginPageHTML = `<!DOCTYPE html><html><head><title>Log in - TeraBox</title></head>` +
	`<body><form action="/login" method="post"><input name="email"><input name="password" type="password"></form></body></html>`

func (f *Fault) answerStatus(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	f.setHeader(w.Header())
	status := orInt(f.Status, http.StatusServiceUnavailable)
	w.WriteHeader(status)
	if bodyAllowed(status) {
		io.WriteString(w, orString(f.Body, http.StatusText(status)+"\n"))
	}
}

// answerErrno answers as the endpoint's family does: the web API with HTTP 200 and errno, PCS
// hosts and data links with error_code under a real status, TeraboxDL with a message.
func (f *Fault) answerErrno(endpoint string, w http.ResponseWriter) {
	fam := familyOf(endpoint)
	status := orInt(f.Status, fam.status(f.Errno))
	body := f.Body
	if body == "" {
		b, err := json.Marshal(fam.body(f.Errno))
		if err != nil { // maps of strings and ints always marshal
			panic(err)
		}
		body = string(b)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	f.setHeader(w.Header())
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// answerOK writes a 200 that has nothing to do with what was asked.
func (f *Fault) answerOK(w http.ResponseWriter, contentType, body string) {
	body = orString(f.Body, body)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	f.setHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, body)
}

// answerBomb writes a JSON prefix and then blanks, gzipped: about a thousandth of Bytes travels.
func (f *Fault) answerBomb(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Encoding", "gzip")
	f.setHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	zw := gzip.NewWriter(w)
	defer zw.Close()
	if _, err := io.WriteString(zw, `{"errno":0,"list":[`); err != nil {
		return
	}
	size := f.Bytes
	if size == 0 {
		size = 1 << 30
	}
	io.CopyN(zw, blanks{}, size) // an error means that the client has had enough
}

// stall sends a header that promises a body, then nothing, then closes.
func (f *Fault) stall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", "1048576")
	f.setHeader(w.Header())
	w.WriteHeader(orInt(f.Status, http.StatusOK))
	http.NewResponseController(w).Flush()
	d := time.Duration(f.Delay)
	if d == 0 {
		d = forever
	}
	wait(r, d)
	cutConn(w, false)
}

// blanks is an endless reader of spaces.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// forever is longer than any client waits.
const forever = 1000 * time.Hour

// wait returns true after d, and false when the client left or the server ended first.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	var done <-chan struct{}
	if st := requestFaultsOf(r); st != nil {
		done = st.done
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return false
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// bodyAllowed reports whether a response of this status has a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func orInt(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

func orString(v, def string) string {
	if v == "" {
		return def
	}
	return v
}

package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// adminPrefix is where the emulator itself is controlled. It is no part of the service: its calls
// are neither counted nor faulted.
const adminPrefix = "/_emulator/"

// newAdmin returns the handler of everything below adminPrefix. Answers are JSON; a refusal is
// {"error": "..."} with a fitting status.
//
//	GET PUT POST DELETE faults         list, replace, add, remove all rules
//	GET DELETE calls                   requests by endpoint name; start again at zero
//	GET PUT DELETE file?path=          raw content; PUT takes mtime= (unix s), and names the service would refuse
//	POST mkdir?path=, move?from=&to=   changes that another client of the drive would have made
//	GET info?path=, tree?path=         what is stored: sizes, md5s, block lists, fs_ids
//	POST fill?path=&dirs=&files=       many small files: dirs directories below path, 0 for none, of files each
//	POST age-bin?by=                   what is in the recycle bin was deleted so much earlier (36h)
//	GET PUT shape                      latency and bandwidth
//	GET PUT settings                   the fields of Settings; PUT changes those it names
//	POST expire-links                  every link given out so far is dead
//	POST rotate-token, logout          the jsToken is stale; the cookie is dead (?ndus= is the new one)
//	GET POST shares                    list, publish
//	GET PUT teraboxdl                  the TeraboxDL account's limits
func (s *Server) newAdmin() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET faults": s.adminGetFaults, "PUT faults": s.adminPutFaults,
		"POST faults": s.adminAddFaults, "DELETE faults": s.adminDeleteFaults,
		"GET calls": s.adminGetCalls, "DELETE calls": s.adminResetCalls,
		"GET file": s.adminGetFile, "PUT file": s.adminPutFile, "DELETE file": s.adminDeleteFile,
		"POST fill": s.adminFill, "POST age-bin": s.adminAgeBin,
		"POST mkdir": s.adminMkdir, "POST move": s.adminMove,
		"GET info": s.adminInfo, "GET tree": s.adminTree,
		"GET shape": s.adminGetShape, "PUT shape": s.adminPutShape,
		"GET settings": s.adminGetSettings, "PUT settings": s.adminPutSettings,
		"POST expire-links": s.adminExpireLinks, "POST rotate-token": s.adminRotateToken, "POST logout": s.adminLogout,
		"GET shares": s.adminGetShares, "POST shares": s.adminAddShare,
		"GET teraboxdl": s.adminGetDL, "PUT teraboxdl": s.adminPutDL,
	} {
		method, name, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+adminPrefix+name, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := adminRefusal(r); why != "" {
			adminFail(w, http.StatusForbidden, errors.New(why))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// adminRefusal says why a request must not control the emulator: it comes from another machine, or
// from a page of another site that the user's browser shows. "" lets it pass.
func adminRefusal(r *http.Request) string {
	if !isLoopback(r.RemoteAddr) {
		return "only from this machine"
	}
	if host, _, _ := strings.Cut(r.Host, ":"); host != "localhost" && !isLoopback(r.Host) {
		return "host is not this machine" // a name rebound to 127.0.0.1
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return "cross-site request"
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return "cross-site request"
	}
	return ""
}

// isLoopback reports whether addr, with or without a port, is a loopback address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// adminAnswer writes v as JSON, with 200.
func adminAnswer(w http.ResponseWriter, v any) { adminJSON(w, http.StatusOK, v) }

func adminJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error means that the client has left
}

// adminFail writes err with a status of its own: 404 for what is missing, 409 for what is in the
// way, else the one given.
func adminFail(w http.ResponseWriter, status int, err error) {
	switch {
	case errors.Is(err, errNotFound):
		status = http.StatusNotFound
	case errors.Is(err, errExists):
		status = http.StatusConflict
	}
	adminJSON(w, status, object{"error": err.Error()})
}

// adminDecode reads a JSON body into v, refusing unknown fields, and answers 400 if it cannot.
func adminDecode(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

func (s *Server) adminGetFaults(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.Faults()) }

func (s *Server) adminPutFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, s.SetFaults)
}

func (s *Server) adminAddFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, func(faults []Fault) error { return s.AddFaults(faults...) })
}

// changeFaults reads an array of rules, hands it on, and answers what is in force afterwards.
func (s *Server) changeFaults(w http.ResponseWriter, r *http.Request, change func([]Fault) error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	rules, err := ParseFaults(body)
	if err == nil {
		err = change(rules)
	}
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, s.Faults())
}

func (s *Server) adminDeleteFaults(w http.ResponseWriter, _ *http.Request) {
	if err := s.faults.set(nil); err != nil { // no rules are always valid
		adminFail(w, http.StatusInternalServerError, err)
		return
	}
	adminAnswer(w, s.Faults())
}

func (s *Server) adminGetCalls(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.Calls()) }

func (s *Server) adminResetCalls(w http.ResponseWriter, _ *http.Request) {
	s.ResetCalls()
	adminAnswer(w, s.Calls())
}

func (s *Server) adminGetShape(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.Shape()) }

func (s *Server) adminPutShape(w http.ResponseWriter, r *http.Request) {
	v := s.Shape()
	if !adminDecode(w, r, &v) {
		return
	}
	if v.Latency < 0 || v.Bandwidth < 0 {
		adminFail(w, http.StatusBadRequest, errors.New("negative latency or bandwidth"))
		return
	}
	s.SetShape(v)
	adminAnswer(w, v)
}

func (s *Server) adminGetShares(w http.ResponseWriter, _ *http.Request) {
	adminAnswer(w, s.shares.saved())
}

func (s *Server) adminAddShare(w http.ResponseWriter, r *http.Request) {
	var spec ShareSpec
	if !adminDecode(w, r, &spec) {
		return
	}
	if err := s.AddShare(spec); err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, object{"url": baseURL(r) + "/s/1" + spec.Key})
}

package emulator

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// access says who may call a route and how others are refused.
type access int

const (
	public     access = iota // anyone: pages, CDN, TeraboxDL, the handler's own check
	accountAPI               // the ndus cookie, else errno -6 in an HTTP 200
	accountPCS               // the ndus cookie, else HTTP 403 and error_code 31045
)

// bodyKind says what the dispatcher does with a request body before the handler sees it.
type bodyKind int

const (
	formBody bodyKind = iota // parsed into the call's params, whatever its Content-Type
	rawBody                  // left alone: a part that is streamed, or bytes that are signed
)

// route is one endpoint of the service.
type route struct {
	name string // what Calls counts and faults match
	// patterns are paths; "/x/*" matches everything below /x/, and "/x?method=m" the path /x with the parameter method=m.
	patterns []string
	methods  string // "GET", "POST" or "GET POST"; HEAD goes with GET
	access   access
	body     bodyKind
	handler  http.HandlerFunc
}

// routeTable finds the route of a request.
type routeTable struct {
	exact    map[string]*route // by path, or by path?method=m
	prefixes map[string]*route // by "/x/"
	byMethod map[string]bool   // paths whose route depends on the parameter method
}

// buildRoutes puts every endpoint in one table.
func (s *Server) buildRoutes() routeTable {
	t := routeTable{exact: map[string]*route{}, prefixes: map[string]*route{}, byMethod: map[string]bool{}}
	var all []route
	all = append(all, s.sessionRoutes()...)
	all = append(all, s.metadataRoutes()...)
	all = append(all, s.uploadRoutes()...)
	all = append(all, s.manageRoutes()...)
	all = append(all, s.downloadRoutes()...)
	all = append(all, s.shareRoutes()...)
	all = append(all, s.dlRoutes()...)
	for i := range all {
		for _, pattern := range all[i].patterns {
			t.add(pattern, &all[i])
		}
	}
	return t
}

// add enters one pattern of a route.
func (t *routeTable) add(pattern string, rt *route) {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		t.prefixes[prefix] = rt
		return
	}
	t.exact[pattern] = rt
	if path, _, ok := strings.Cut(pattern, "?method="); ok {
		t.byMethod[path] = true
	}
}

// has reports whether there is a route called name.
func (t *routeTable) has(name string) bool {
	for _, routes := range []map[string]*route{t.exact, t.prefixes} {
		for _, rt := range routes {
			if rt.name == name {
				return true
			}
		}
	}
	return false
}

// find returns the route of a path, with the value of its parameter method where the path has several; nil is none.
func (t *routeTable) find(path, method string) *route {
	if t.byMethod[path] {
		return t.exact[path+"?method="+method]
	}
	if rt, ok := t.exact[path]; ok {
		return rt
	}
	for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path[:i], '/') {
		if rt, ok := t.prefixes[path[:i+1]]; ok {
			return rt
		}
	}
	return nil
}

// call is what the dispatcher knows about a request; callOf returns it.
type call struct {
	name   string // of the route
	id     int64  // request_id
	params params
}

// callKey is the context key of a request's call.
type callKey struct{}

// callOf returns the call of a request that came through the dispatcher.
func callOf(r *http.Request) *call {
	c, _ := r.Context().Value(callKey{}).(*call)
	if c == nil {
		return &call{params: params{query: r.URL.Query()}}
	}
	return c
}

// ServeHTTP answers one request of any of the service's hosts.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		http.Error(w, errClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.active.Done()
	if strings.HasPrefix(r.URL.Path, adminPrefix) { // no part of the service: neither counted nor faulted
		s.admin.ServeHTTP(w, r)
		return
	}

	c := &call{id: s.requests.Add(1), params: params{query: parseForm(r.URL.RawQuery, true)}}
	rt, err := s.resolve(w, r, c)
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	switch {
	case rt == nil:
		s.count("unknown")
		s.withFaults("unknown", http.NotFound)(w, r)
	case err != nil:
		s.count(rt.name)
		s.fail(w, r, errParam)
	default:
		s.count(rt.name)
		s.withFaults(rt.name, s.guard(rt))(w, r)
		if rt.body == rawBody {
			drain(r)
		}
	}
}

// drain reads what a handler left of the body, as the service's front end does: a client that is still sending a part when it is
// refused gets the refusal, and not a broken connection.
func drain(r *http.Request) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 2*maxPart)) // the answer stands whatever comes
	}
}

// resolve finds the route of r and fills the call: its name and, unless the route wants the body raw, the parameters in the body.
// A path that is told apart by the parameter method may have it in either place.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, c *call) (*route, error) {
	path := r.URL.Path
	if s.cfg.DisableXpan && strings.HasPrefix(path, "/rest/2.0/xpan/") {
		return nil, nil
	}
	rt := s.routes.find(path, c.params.query.Get("method"))
	known := rt != nil || s.routes.byMethod[path]
	if !known || (rt != nil && rt.body == rawBody) {
		if rt != nil {
			c.name = rt.name
		}
		return rt, nil
	}
	body, err := s.parseBody(w, r)
	c.params.body = body
	if rt == nil {
		rt = s.routes.find(path, body.Get("method"))
	}
	if rt != nil {
		c.name = rt.name
	}
	return rt, err
}

// count adds one to the calls of an endpoint.
func (s *Server) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
}

// guard is the route's handler behind the checks all routes share: HTTP method, cookie, region.
func (s *Server) guard(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if !strings.Contains(rt.methods, method) {
			w.Header().Set("Allow", strings.ReplaceAll(rt.methods, " ", ", "))
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		if s.admit(w, r, rt.access) {
			rt.handler(w, r)
		}
	}
}

// admit tells whether the caller has the access a route wants, and answers the refusal if not.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, want access) bool {
	if want == public {
		return true
	}
	if want == accountAPI && !strings.HasPrefix(r.Host, regionPrefix+".") && s.faulted(r, "region-redirect") {
		w.Header().Set("Url-Domain-Prefix", regionPrefix)
		w.Header().Set("Region-Domain-Prefix", regionPrefix)
		w.Header().Set("Is-Reg-Region", "false")
		s.fail(w, r, errNotLoggedIn)
		return false
	}
	if s.loggedIn(r) && !s.faulted(r, "not-logged-in") {
		return true
	}
	if want == accountPCS {
		s.failPCS(w, r, http.StatusForbidden, errPCSUser)
	} else {
		s.fail(w, r, errNotLoggedIn)
	}
	return false
}

// regionPrefix is the label of the region that the fault region-redirect sends clients to.
const regionPrefix = "dm"

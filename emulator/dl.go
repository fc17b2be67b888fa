package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// dlService is the emulated TeraboxDL, a paid service that turns a share link into direct links.
// Its public document is the source of every path, header and field here; where it is silent about
// a shape (the /client answers), the shape is ours and stays as plain as its description.
type dlService struct {
	// dependencies
	now   func() time.Time
	dir   string // where state and history are kept; "" keeps them in memory
	share func(key string) (*share, bool)
	live  *liveSettings
	epoch *linkEpoch

	mu      sync.Mutex
	state   dlState     // guarded by mu
	history []dlRecord  // guarded by mu; append only, so a slice taken under mu stays valid
	lastID  int64       // guarded by mu
	recent  []time.Time // guarded by mu: signed calls of the last minute
}

// dlState is what TeraboxDL remembers of its one account; it is written to dlStateFile.
type dlState struct {
	// ConfiguredKey is the key the operator gave when the account was made. While the operator
	// keeps giving it, the current key wins, so that a regenerated key survives a restart.
	ConfiguredKey string    `json:"configured_key"`
	APIKey        string    `json:"api_key"`
	APISecret     string    `json:"api_secret"`
	Inactive      bool      `json:"inactive,omitempty"`
	CreatedAt     time.Time `json:"created_at"`
	LinkSecret    []byte    `json:"link_secret"`
	DailyLimit    int       `json:"daily_limit"`
	RatePerMinute int       `json:"rate_per_minute"`
	// TestDay and TestCalls count the free test calls of each address on that UTC day.
	TestDay   string         `json:"test_day,omitempty"`
	TestCalls map[string]int `json:"test_calls,omitempty"`
}

const (
	dlStateFile   = "teraboxdl.json"
	dlHistoryFile = "teraboxdl-history.jsonl"

	dlDailyLimit    = 1000 // requests a UTC day, of the plan the account is on
	dlRatePerMinute = 300
	dlTestPerDay    = 3 // the free endpoint, per address
)

// dlRoutes are the calls of TeraboxDL and the links it hands out. Bodies stay raw: they are signed.
func (s *Server) dlRoutes() []route {
	d := s.dl
	return []route{
		{name: "dl-plans", patterns: []string{"/api/plans"}, methods: "GET", body: rawBody, handler: s.quotable(d.plans)},
		{name: "dl-test", patterns: []string{"/api/test"}, methods: "POST", body: rawBody, handler: s.quotable(d.test)},
		{name: "dl-api", patterns: []string{"/v1/api"}, methods: "POST", body: rawBody, handler: s.quotable(d.api)},
		{name: "dl-account", patterns: []string{"/client/account/info"}, methods: "GET", body: rawBody, handler: s.quotable(d.client(d.accountInfo))},
		{name: "dl-dashboard", patterns: []string{"/client/dashboard"}, methods: "GET", body: rawBody, handler: s.quotable(d.client(d.dashboard))},
		{name: "dl-usage", patterns: []string{"/client/usage/analytics"}, methods: "GET", body: rawBody, handler: s.quotable(d.client(d.analytics))},
		{name: "dl-history", patterns: []string{"/client/request-history"}, methods: "GET", body: rawBody, handler: s.quotable(d.client(d.requestHistory))},
		{name: "dl-activity", patterns: []string{"/client/realtime-activity"}, methods: "GET", body: rawBody, handler: s.quotable(d.client(d.activity))},
		{name: "dl-export", patterns: []string{"/client/export-urls"}, methods: "GET", body: rawBody, handler: d.client(d.exportURLs)},
		{name: "dl-regenerate", patterns: []string{"/client/api-key/regenerate"}, methods: "POST", body: rawBody, handler: s.quotable(d.client(d.regenerate))},
		{name: "dl-direct", patterns: []string{"/dl/file/*", "/dl/stream/*"}, methods: "GET", body: rawBody, handler: s.dlDirect},
		{name: "dl-thumb", patterns: []string{"/dl/thumb/*"}, methods: "GET", body: rawBody, handler: s.dlThumb},
	}
}

// newDLService opens the account kept in the data directory, or makes one with the key and secret of cfg.
func newDLService(cfg Config, share func(key string) (*share, bool), epoch *linkEpoch) (*dlService, error) {
	d := &dlService{now: cfg.Now, dir: cfg.DataDir, share: share, live: cfg.live, epoch: epoch}
	if err := d.loadState(cfg.APIKey, cfg.APISecret); err != nil {
		return nil, err
	}
	if err := d.loadHistory(); err != nil {
		return nil, err
	}
	return d, nil
}

// dlPlan is one entry of the price list.
type dlPlan struct {
	ID            int     `json:"id"`
	Name          string  `json:"name"`
	Price         float64 `json:"price"`
	Currency      string  `json:"currency"`
	DailyRequests int     `json:"daily_requests"`
	ValidityDays  int     `json:"validity_days"`
	Description   string  `json:"description"`
	Active        bool    `json:"is_active"`
}

func dlPlans() []dlPlan {
	return []dlPlan{
		{1, "Starter", 4.99, "USD", 100, 30, "For trying things out", true},
		{2, "Standard", 14.99, "USD", dlDailyLimit, 30, "For one busy client", true},
		{3, "Business", 49.99, "USD", 10000, 30, "For fleets", true},
	}
}

func (d *dlService) plans(w http.ResponseWriter, _ *http.Request) {
	writeDL(w, map[string]any{"errno": 0, "plans": dlPlans()})
}

// writeDL answers 200 with v as JSON.
func writeDL(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error means that the client has left
}

// quotable makes the numbers of a handler's JSON strings under the fault string-numbers.
func (s *Server) quotable(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.faulted(r, "string-numbers") {
			w = quotingWriter{w}
		}
		h(w, r)
	}
}

// quotingWriter rewrites documents, each of which comes in one Write, as encoders do it.
type quotingWriter struct{ http.ResponseWriter }

func (q quotingWriter) Write(doc []byte) (int, error) {
	if _, err := q.ResponseWriter.Write(stringNumbers(doc)); err != nil {
		return 0, err
	}
	return len(doc), nil
}

// dlError is a refusal: an HTTP status and a plain sentence.
type dlError struct {
	status     int
	text       string
	retryAfter time.Duration
}

func (e *dlError) Error() string { return e.text }

func dlErrorf(status int, format string, args ...any) *dlError {
	return &dlError{status: status, text: fmt.Sprintf(format, args...)}
}

// write answers with the refusal.
func (e *dlError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int64((e.retryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.status)
	json.NewEncoder(w).Encode(map[string]any{"errno": e.status, "error": e.text})
}

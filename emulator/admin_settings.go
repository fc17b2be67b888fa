package emulator

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// Settings are the parts of Config that can change while the service runs.
type Settings struct {
	NDUS        string   `json:"ndus"`
	Quota       int64    `json:"quota"`
	MaxFileSize int64    `json:"max_file_size"`
	LinkTTL     Duration `json:"link_ttl"`
	UploadTTL   Duration `json:"upload_ttl"`
	TokenTTL    Duration `json:"token_ttl"`
	ListLag     Duration `json:"list_lag"`
	KeepFsID    bool     `json:"keep_fs_id"`
}

// liveSettings holds the Settings in force, shared by the server and its drives. Safe for
// concurrent use.
type liveSettings struct {
	mu sync.RWMutex
	v  Settings // guarded by mu
}

func newLiveSettings(c Config) *liveSettings {
	return &liveSettings{v: Settings{
		NDUS: c.NDUS, Quota: c.Quota, MaxFileSize: c.MaxFileSize, LinkTTL: Duration(c.LinkTTL),
		UploadTTL: Duration(c.UploadTTL), TokenTTL: Duration(c.TokenTTL), ListLag: Duration(c.ListLag), KeepFsID: c.KeepFsID,
	}}
}

func (l *liveSettings) get() Settings {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.v
}

func (l *liveSettings) set(v Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v = v
}

// Settings returns what is in force.
func (s *Server) Settings() Settings { return s.cfg.live.get() }

// SetSettings changes what is in force, for calls that begin afterwards. It returns an error for a
// value that no service could have.
func (s *Server) SetSettings(v Settings) error {
	if v.NDUS == "" || v.Quota < 0 || v.MaxFileSize <= 0 || v.LinkTTL <= 0 || v.UploadTTL <= 0 || v.TokenTTL <= 0 || v.ListLag < 0 {
		return errors.New("settings: empty ndus, or a size or time out of range")
	}
	s.cfg.live.set(v)
	return nil
}

func (s *Server) adminGetSettings(w http.ResponseWriter, _ *http.Request) {
	adminAnswer(w, s.Settings())
}

func (s *Server) adminPutSettings(w http.ResponseWriter, r *http.Request) {
	v := s.Settings()
	if !adminDecode(w, r, &v) {
		return
	}
	if err := s.SetSettings(v); err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, v)
}

// ExpireLinks ends every download link given out so far, TeraboxDL's included.
func (s *Server) ExpireLinks() { s.linkEpoch.expire(s.cfg.Now()) }

// Logout makes ndus the only cookie that is logged in; an empty one means a random value.
func (s *Server) Logout(ndus string) {
	v := s.Settings()
	v.NDUS = orString(ndus, randomHex(20))
	s.cfg.live.set(v)
}

func (s *Server) adminExpireLinks(w http.ResponseWriter, _ *http.Request) {
	s.ExpireLinks()
	adminAnswer(w, object{"expired": true})
}

func (s *Server) adminRotateToken(w http.ResponseWriter, _ *http.Request) {
	s.RotateToken()
	adminAnswer(w, object{"rotated": true})
}

func (s *Server) adminLogout(w http.ResponseWriter, r *http.Request) {
	s.Logout(r.URL.Query().Get("ndus"))
	adminAnswer(w, object{"ndus": s.Settings().NDUS})
}

// linkEpoch is the moment before which every link is dead. Its zero value kills none.
type linkEpoch struct {
	mu   sync.Mutex
	from time.Time // guarded by mu
}

func (e *linkEpoch) expire(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.from = now.Add(1) // a link made within the same clock tick is dead too
}

// killed reports whether a link issued then has been ended.
func (e *linkEpoch) killed(issued time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return issued.Before(e.from)
}

// dlLimits are the settings of the TeraboxDL account.
type dlLimits struct {
	Inactive      bool `json:"inactive"`
	DailyLimit    int  `json:"daily_limit"`
	RatePerMinute int  `json:"rate_per_minute"`
}

func (d *dlService) limits() dlLimits {
	d.mu.Lock()
	defer d.mu.Unlock()
	return dlLimits{d.state.Inactive, d.state.DailyLimit, d.state.RatePerMinute}
}

// setLimits changes the account's limits; they are kept for the next process.
func (d *dlService) setLimits(v dlLimits) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.Inactive, d.state.DailyLimit, d.state.RatePerMinute = v.Inactive, v.DailyLimit, v.RatePerMinute
	return d.saveStateLocked()
}

func (s *Server) adminGetDL(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.dl.limits()) }

func (s *Server) adminPutDL(w http.ResponseWriter, r *http.Request) {
	v := s.dl.limits()
	if !adminDecode(w, r, &v) {
		return
	}
	err := error(nil)
	if v.DailyLimit < 0 || v.RatePerMinute < 0 {
		err = errors.New("negative limit")
	} else {
		err = s.dl.setLimits(v)
	}
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, v)
}

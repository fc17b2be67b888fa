package emulator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ownerUK is the user key of the emulated account.
const ownerUK int64 = 4400112233

// Config says what the emulated account and its service are like. The zero value is a usable in-memory service.
type Config struct {
	DataDir string // where everything is kept and continued from; "" keeps everything in memory

	NDUS              string // the ndus cookie that is logged in; default "demo"
	APIKey, APISecret string // the emulated TeraboxDL account; default "demo-key", "demo-secret"

	Quota       int64 // bytes; default 1 TiB
	MaxFileSize int64 // the plan's limit in bytes, beyond it errno 58; default 4 GiB
	MaxDepth    int   // levels below the root, beyond it errno -7; 0 is no limit

	LinkTTL   time.Duration // life of a dlink; default 8h
	UploadTTL time.Duration // life of an upload id; default 24h
	TokenTTL  time.Duration // life of a jsToken; default 24h
	ListLag   time.Duration // an entry appears this late in list; default at once
	TaskTime  time.Duration // how long a filemanager task runs; default 300ms

	Latency   time.Duration // added to every answer, and to every new connection; default none
	Bandwidth int64         // bytes per second and connection; 0 is no limit
	Faults    []Fault       // armed from the start

	// CDNHost is the host:port that download links redirect to. Empty is the host of the request. Start listens there too, and
	// replaces port 0 by the one it got.
	CDNHost string

	KeepFsID        bool // an overwrite by rtype=3 keeps the fs_id
	CaseInsensitive bool // names that differ in case only are the same name
	PlusIsSpace     bool // a "+" in a body stands for a space
	ReuseUploads    bool // an upload id serves more than one create
	DisableXpan     bool // the xpan dialect answers 404

	Now func() time.Time // the service's clock; default time.Now
	Log *slog.Logger     // default discards

	live *liveSettings // what of the above can change at run time; made by New, shared with the drives
}

// withDefaults fills what is not set.
func (c Config) withDefaults() Config {
	setDefault(&c.NDUS, "demo")
	setDefault(&c.APIKey, "demo-key")
	setDefault(&c.APISecret, "demo-secret")
	setDefault(&c.Quota, 1<<40)
	setDefault(&c.MaxFileSize, 4<<30)
	setDefault(&c.LinkTTL, 8*time.Hour)
	setDefault(&c.UploadTTL, 24*time.Hour)
	setDefault(&c.TokenTTL, 24*time.Hour)
	setDefault(&c.TaskTime, 300*time.Millisecond)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.live = newLiveSettings(c)
	return c
}

// setDefault gives *v the value def if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// errClosed is answered, with HTTP 503, to requests that arrive after Close.
var errClosed = errors.New("emulator: closed")

// Server is the emulated service. It is an http.Handler and safe for concurrent use; New makes one, Close ends it.
type Server struct {
	cfg    Config
	routes routeTable
	blobs  *blobStore
	drive  *drive // the account's own files
	secret []byte // signs links and tokens; kept with the data
	tasks  *taskRunner

	requests atomic.Int64 // the last request_id given out
	token    jsToken

	mu      sync.Mutex     // guards what follows
	calls   map[string]int // requests by endpoint name
	closing bool
	servers []*http.Server
	drives  map[int64]*drive // by uk: the account's and those of share owners

	active sync.WaitGroup // requests being answered
	done   chan struct{}  // closed by Close
	unlock func() error   // releases DataDir
	extras                // what the fault engine, the shaping, the shares and the TeraboxDL service keep
}

// New opens the data directory, if there is one, and makes the service on it. It fails when another process has the directory.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, calls: map[string]int{}, drives: map[int64]*drive{}, done: make(chan struct{})}
	if err := s.openData(); err != nil {
		return nil, err
	}
	s.tasks = newTaskRunner(cfg.TaskTime)
	s.drives[ownerUK] = s.drive
	if err := s.initExtras(); err != nil {
		return nil, errors.Join(err, s.closeData())
	}
	s.routes = s.buildRoutes()
	return s, nil
}

// openData gives the server its secret, blobs and drive: from DataDir, or new ones in memory.
func (s *Server) openData() error {
	s.secret = make([]byte, 32)
	_, _ = rand.Read(s.secret) // never fails: crypto/rand ends the process instead
	if s.cfg.DataDir == "" {
		s.blobs = newMemoryBlobs()
		s.drive = s.newDrive(ownerUK)
		return nil
	}
	unlock, err := lockDir(s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.unlock = unlock
	if err := s.loadData(); err != nil {
		return fmt.Errorf("open emulator data %q: %w", s.cfg.DataDir, errors.Join(err, unlock()))
	}
	return nil
}

// Close ends the listeners, waits for requests and tasks, writes a snapshot of the state and releases the data directory.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	servers := s.servers
	s.mu.Unlock()

	close(s.done)
	var errs []error
	for _, srv := range servers {
		errs = append(errs, srv.Close())
	}
	s.active.Wait()
	s.tasks.finish()
	errs = append(errs, s.closeData())
	return errors.Join(errs...)
}

// closeData flushes the drive and releases the directory.
func (s *Server) closeData() error {
	err := s.drive.close()
	if s.unlock != nil {
		err = errors.Join(err, s.unlock())
	}
	return err
}

// begin registers a request that is about to be answered; false means that the server is closed.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.active.Add(1)
	return true
}

// Calls returns how many requests each endpoint has seen since the start or the last ResetCalls.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make(map[string]int, len(s.calls))
	for name, n := range s.calls {
		calls[name] = n
	}
	return calls
}

// ResetCalls sets every count to zero.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
}

// driveOf returns the drive of the user uk.
func (s *Server) driveOf(uk int64) (*drive, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.drives[uk]
	return d, ok
}

// allDrives returns the drives of all users.
func (s *Server) allDrives() []*drive {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.drives))
}

// addDrive makes an in-memory drive for another user, for instance the owner of a share. Its fs_ids are none that the account's
// files get.
func (s *Server) addDrive(uk int64) *drive {
	d := s.newDrive(uk)
	d.guest, d.nextID = true, firstGuestFsID
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drives[uk] = d
	return d
}

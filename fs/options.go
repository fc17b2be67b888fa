package fs

import (
	"context"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	storedtree "github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// Drive is the metadata of what is mounted. remote.Client is one; a share implements the reading
// half and is mounted read-only. Errors are those of package remote.
type Drive interface {
	// List yields the entries of a directory, page by page.
	List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error]
	Stat(ctx context.Context, path string) (remote.Entry, error)
	Mkdir(ctx context.Context, path string) (remote.Entry, error)
	Remove(ctx context.Context, paths ...string) error
	// Move renames from to to; overwrite replaces a file that is there.
	Move(ctx context.Context, from, to string, overwrite bool) error
	// Copy copies a file on the service; a taken target is remote.ErrExist.
	Copy(ctx context.Context, from, to string) error
	Quota(ctx context.Context) (remote.Quota, error)
}

// Located is one version of a file. Entry has the path where that version is now, which follows
// renames of the file and of the directories above it.
type Located interface {
	Entry() remote.Entry
}

// Options say what to mount and how. Drive, Cache and Fetcher are needed; the rest has defaults.
type Options struct {
	Drive   Drive
	Cache   *blockcache.Cache
	Fetcher func(Located) blockcache.Fetcher // where the bytes of one version come from
	Staging *writeback.Store                 // nil makes the mount read-only

	Background bool          // close makes the content durable here, and it is sent behind; else close sends it
	CloseWait  time.Duration // how long close waits for the service before it does so too; 0 is without bound
	Uploads    int           // files sent at a time that nobody waits for; 0 is 4

	Bin Bin // what this mount deletes leaves the recycle bin too, where that is; nil leaves it there

	// Tell hears of what happened, from any goroutine and under locks: it must neither wait nor call the file system. nil: nobody does.
	Tell func(Note)

	Account Account // of the drive; nil: sending always makes sense

	Tree    *storedtree.Store // listings that outlive the mount; nil: none do
	Offline bool              // the service cannot be reached as the mount begins: stored listings serve, even those that may lack something

	MaxEntries int // names known at a time, more or less; 0 is half a million

	Root     string // path in the drive that becomes the mount's root; "" is "/"
	ReadOnly bool

	// Guest is a path in the drive of a directory that is not the account's: nothing at it or below it can be changed, and its
	// listings live for GuestCache. "" is none. The listing of Guest itself, or of the root where there is none, lives for
	// TopCache at most when that is not 0.
	Guest      string
	GuestCache time.Duration
	TopCache   time.Duration

	DirCache        time.Duration // life of a directory's listing; 0 asks the service every time
	Feed            Feed          // tells what others change; nil: nobody does
	Poll            time.Duration // how often it is asked; 0 is never
	AttrTimeout     time.Duration // how long the kernel may keep attributes
	EntryTimeout    time.Duration // how long the kernel may keep names
	NegativeTimeout time.Duration // how long the kernel may keep the absence of a name

	UID, GID uint32
	DirMode  uint32 // permission bits of every directory; 0 is 0755
	FileMode uint32 // permission bits of every file; 0 is 0644

	Passthrough bool // the kernel may read complete files from the disk cache itself

	AllowOther         bool
	DefaultPermissions bool
	Debug              bool     // log every FUSE request
	FsName             string   // first column of mount(8) and df(1)
	MountOptions       []string // further options for the kernel

	// LocalDir holds files and directories called like one of LocalNames, patterns as path.Match has them: they are never sent. nil, as in a
	// mount that is read-only: there are none. It stays the caller's to close.
	LocalDir   *os.Root
	LocalNames []string

	Reports []Report // what the mount tells in the directory ReportsDir; none: there is no such directory

	Log *slog.Logger
	Now func() time.Time // for tests; time.Now
}

func (o *Options) setDefaults() {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.DirMode == 0 {
		o.DirMode = 0o755
	}
	if o.FileMode == 0 {
		o.FileMode = 0o644
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = defaultEntries
	}
	if o.Uploads <= 0 {
		o.Uploads = 4
	}
	if o.Staging == nil {
		o.ReadOnly = true
	}
	if o.ReadOnly {
		o.LocalDir = nil
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FsName == "" {
		o.FsName = "teraboxfs"
	}
}

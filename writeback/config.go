package writeback

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Uploader is the part of the service that commits need. remote.Client satisfies it. Transport
// faults are retried behind it; an error that comes out is final for that call.
type Uploader interface {
	Precreate(ctx context.Context, req remote.PrecreateRequest) (remote.Precreated, error)
	UploadPart(ctx context.Context, req remote.PartRequest) (md5 string, err error)
	Create(ctx context.Context, req remote.CreateRequest) (remote.Entry, error)
	Stat(ctx context.Context, path string) (remote.Entry, error)

	// OpenRange reads n bytes of e from byte off as the service holds them, past every cache.
	OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error)
}

// Base is the committed content that a File starts from. ReadAt fills p, short only at the end of
// the content, then with io.EOF. It is called by several goroutines at once.
type Base interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// Verify says how much of what a claim covers is read back.
type Verify int

const (
	VerifySample Verify = iota // 128 KiB grains: the first, the last and a random one
	VerifyFull                 // every byte
)

// Config is what a Store needs. Dir and Uploader are required; zero values of the rest mean what
// their comments say.
type Config struct {
	// Dependencies.
	Dir       string // the staging directory; created 0700 when missing
	Uploader  Uploader
	Log       *slog.Logger           // nil: no log
	Now       func() time.Time       // for the names of conflict copies; nil: time.Now
	Rand      func(n int64) int64    // a number in [0, n), safe for concurrent use; nil: math/rand/v2
	Disk      func(inner Disk) Disk  // tests wrap the file-system calls with it; nil: as they are
	partSize  func(size int64) int64 // tests use small parts; nil: remote.PartSize
	ambiguous func(err error) bool   // tests make such errors; nil: remote.AmbiguousCreate

	// Limits.
	Parts       int   // parts in flight over all files; 0: 4
	MaxFileSize int64 // bytes; 0: 128 GiB, the largest the service takes on any plan
	StagingSize int64 // bytes staged over all files; 0: as much as the disk has

	// Rapid upload.
	Rapid       bool   // false: every part is sent, whatever the service claims to hold
	RapidVerify Verify // how claims are verified
}

const (
	defaultParts   = 4
	defaultMaxFile = 128 << 30 // docs/protocol.md#part-size
)

// withDefaults returns c with every optional field filled in.
func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Int64N
	}
	if c.Disk == nil {
		c.Disk = func(inner Disk) Disk { return inner }
	}
	if c.partSize == nil {
		c.partSize = remote.PartSize
	}
	if c.ambiguous == nil {
		c.ambiguous = remote.AmbiguousCreate
	}
	if c.Parts <= 0 {
		c.Parts = defaultParts
	}
	if c.MaxFileSize <= 0 {
		c.MaxFileSize = defaultMaxFile
	}
	return c
}

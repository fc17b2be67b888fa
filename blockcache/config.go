package blockcache

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// Units of the cache, in bytes.
const (
	blockSize = blocks.Size(1 << 20)
	grainSize = blocks.Size(128 << 10)
)

// Defaults of a Config.
const (
	DefaultMemory      = 128 << 20
	DefaultReadAhead   = 32 << 20
	DefaultStreams     = 4
	DefaultReadTimeout = 60 * time.Second
)

// NoReadAhead as Config.ReadAhead fetches the demanded grains alone.
const NoReadAhead = -1

// Errors that callers test for with errors.Is. All others are those of a Fetcher, or of a
// caller's context, wrapped.
var (
	// ErrClosed: the Cache, or this Reader, has been closed.
	ErrClosed = errors.New("block cache is closed")
	// ErrTimeout: the bytes have not arrived within Config.ReadTimeout.
	ErrTimeout = errors.New("read deadline exceeded")
)

// Config is what New needs to know. The zero Config means the defaults.
type Config struct {
	// Memory bounds the bytes held: cached, in flight and being copied. At least 128 KiB;
	// rounded down to whole grains.
	Memory int64
	// ReadAhead bounds the window of one session, in bytes; NoReadAhead for none. A window also
	// stays within its share of Memory.
	ReadAhead int64
	// Streams is how many flights bring bytes at the same time; see Connections for how many are open.
	Streams int
	// ReadTimeout is how long a ReadAt waits for its bytes.
	ReadTimeout time.Duration
	// Disk is where grains are kept beyond the process; nil keeps them in memory alone.
	Disk *DiskConfig
	// Log hears of failures that no reader waits for. Nil discards them.
	Log *slog.Logger
}

// DiskConfig is what the disk tier needs to know.
type DiskConfig struct {
	Dir     string // made 0700 when missing; one process at a time
	Size    int64  // bytes the files may take, a hard limit; at least one block
	MinFree int64  // bytes that stay free on the file system
}

// withDefaults returns cfg with what was left out filled in, or what is wrong with it.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.ReadAhead == 0 {
		cfg.ReadAhead = DefaultReadAhead
	}
	if cfg.Streams == 0 {
		cfg.Streams = DefaultStreams
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = DefaultReadTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Memory < int64(grainSize):
		return cfg, fmt.Errorf("memory of %d bytes is less than one grain of %d", cfg.Memory, grainSize)
	case cfg.ReadAhead < NoReadAhead:
		return cfg, fmt.Errorf("read-ahead of %d bytes", cfg.ReadAhead)
	case cfg.Streams < 1:
		return cfg, fmt.Errorf("%d streams", cfg.Streams)
	case cfg.Disk != nil && cfg.Disk.Size < int64(blockSize):
		return cfg, fmt.Errorf("disk tier of %d bytes is less than one block of %d", cfg.Disk.Size, blockSize)
	case cfg.ReadTimeout < 0:
		return cfg, fmt.Errorf("read timeout of %v", cfg.ReadTimeout)
	}
	return cfg, nil
}

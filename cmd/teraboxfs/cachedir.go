package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/blockcache"
)

// The disk cache by default: a tenth of the disk, within bounds.
const (
	cacheShare   = 10
	cacheMost    = 100 << 30
	cacheLeast   = 64 << 20 // less is not worth a directory
	smallestSize = 1 << 20  // of the tier: one block
)

// openCache makes the read cache of a session. A second mount of one account cannot have the same cache
// directory: it goes without one, unless it was told to use it.
func (a *app) openCache(sess *session) (*blockcache.Cache, error) {
	cfg := blockcache.Config{
		Memory: int64(a.memCache), ReadAhead: readAhead(a.readAhead), Streams: a.streams.value,
		ReadTimeout: a.readTimeout, Log: a.log.With("room", "blockcache"),
	}
	var err error
	if cfg.Disk, err = a.diskTier(sess); err != nil {
		return nil, err
	}
	cache, err := blockcache.New(cfg)
	if cfg.Disk == nil || err == nil || a.isSet("cache-dir") {
		return cache, err
	}
	why := "the cache directory cannot be used; file data is cached in memory only"
	if errors.Is(err, blockcache.ErrLocked) {
		why = "another mount of this account has the cache directory; file data is cached in memory only, or give --cache-dir"
	}
	a.log.Warn(why, "dir", cfg.Disk.Dir, "err", err)
	cfg.Disk = nil
	return blockcache.New(cfg)
}

// diskTier is the disk cache that the settings ask for, nil for none. Every account has a directory of
// its own below the cache directory, and all shares together have one.
func (a *app) diskTier(sess *session) (*blockcache.DiskConfig, error) {
	if a.cacheSize.size == 0 {
		return nil, nil
	}
	base, err := filepath.Abs(a.cacheDirectory())
	if err != nil {
		return nil, err
	}
	owner := "shares"
	if sess.account.UK != 0 {
		owner = strconv.FormatUint(uint64(sess.account.UK), 10)
	}
	dir := filepath.Join(base, "blocks", owner)
	total, err := diskSize(base)
	if err != nil {
		if a.isSet("cache-dir") {
			return nil, fmt.Errorf("cache directory: %w", err)
		}
		a.log.Warn("there is no place for a cache; file data is cached in memory only", "dir", base, "err", err)
		return nil, nil
	}
	size := a.cacheSize.bytesOr(min(total/cacheShare, cacheMost))
	if size < smallestSize || a.cacheSize.size == autoSize && size < cacheLeast {
		return nil, nil
	}
	return &blockcache.DiskConfig{Dir: dir, Size: size, MinFree: a.cacheMinFree.of(total)}, nil
}

// diskSize makes dir and returns the size of the file system it is on.
func diskSize(dir string) (int64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return int64(st.Blocks) * int64(st.Bsize), nil
}

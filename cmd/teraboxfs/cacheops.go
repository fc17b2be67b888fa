package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Cache implements control.Daemon: the daemon's side of 'teraboxfs cache'.
func (m *mounted) Cache(ctx context.Context, req control.CacheRequest, emit func(control.CacheLine) error) error {
	switch req.Op {
	case "info":
		return emit(control.CacheLine{Stats: m.cacheStats()})
	case "ls":
		for _, o := range m.cache.DiskObjects() {
			if err := emit(control.CacheLine{Path: o.Name, Key: o.Key, Size: o.Size, Held: o.Held, Pinned: o.Pinned}); err != nil {
				return err
			}
		}
		return nil
	case "verify":
		bad, err := m.cache.VerifyDisk(ctx)
		if err != nil {
			return err
		}
		return emit(control.CacheLine{Bad: bad, Stats: m.cacheStats()})
	case "clear":
		return emit(control.CacheLine{Freed: m.cache.Clear()})
	}
	op, ok := cacheOps[req.Op]
	if !ok {
		return fmt.Errorf("operation %q is not known here", req.Op)
	}
	for _, path := range req.Paths {
		err := m.fs.Objects(ctx, path, func(obj blockcache.Object) error {
			line := control.CacheLine{Path: obj.Name, Key: obj.Key, Size: obj.Size}
			if err := op(ctx, m.cache, obj, &line); err != nil {
				if ctx.Err() != nil || errors.Is(err, blockcache.ErrNoDisk) {
					return err
				}
				line.Err = err.Error()
			}
			return emit(line)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// cacheOps are the operations on one file.
var cacheOps = map[string]func(context.Context, *blockcache.Cache, blockcache.Object, *control.CacheLine) error{
	"warm": func(ctx context.Context, c *blockcache.Cache, obj blockcache.Object, line *control.CacheLine) error {
		if err := c.Warm(ctx, obj); err != nil {
			return err
		}
		line.Held = obj.Size
		return nil
	},
	"pin": func(ctx context.Context, c *blockcache.Cache, obj blockcache.Object, line *control.CacheLine) error {
		if err := c.Warm(ctx, obj); err != nil {
			return err
		}
		line.Held = obj.Size
		line.Pinned = c.Pin(obj, true)
		return nil
	},
	"unpin": func(_ context.Context, c *blockcache.Cache, obj blockcache.Object, _ *control.CacheLine) error {
		c.Pin(obj, false)
		return nil
	},
	"evict": func(_ context.Context, c *blockcache.Cache, obj blockcache.Object, line *control.CacheLine) error {
		line.Freed = c.EvictObject(obj)
		return nil
	},
}

// cacheStats are the cache's figures as the control socket gives them.
func (m *mounted) cacheStats() *control.CacheStats {
	s := m.cache.Stats()
	return &control.CacheStats{
		MemoryUsed: s.BytesHeld, MemoryLimit: s.MemoryBudget,
		DiskUsed: s.Disk.Used, DiskLimit: s.Disk.Limit, DiskFiles: s.Disk.Objects,
		BytesRead: s.BytesRead, BytesFetched: s.BytesFetched, BytesOnDisk: s.Disk.Read,
		Hits: s.Hits, Misses: s.Misses, Dropped: s.Disk.Dropped, Damaged: s.Disk.Damaged,
	}
}

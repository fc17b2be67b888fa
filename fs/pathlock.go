package fs

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// pathLocks orders operations that change what is at a path. Two holders conflict when a path of
// one is a path of the other or lies above it: a directory is not renamed while a file below
// it is being committed. It is fair enough for its few holders: everybody who waits looks again
// whenever somebody lets go.
type pathLocks struct {
	mu      sync.Mutex
	held    map[*pathHold]struct{}
	changed chan struct{} // closed and replaced at every release
}

type pathHold struct{ paths []string }

func newPathLocks() *pathLocks {
	return &pathLocks{held: make(map[*pathHold]struct{}), changed: make(chan struct{})}
}

// acquire waits until no holder conflicts with paths and holds them until release is called.
// All paths are taken at once, so that two callers cannot wait for each other.
func (l *pathLocks) acquire(ctx context.Context, paths ...string) (release func(), err error) {
	hold := &pathHold{paths: paths}
	for {
		l.mu.Lock()
		if !l.conflicts(hold) {
			l.held[hold] = struct{}{}
			l.mu.Unlock()
			return func() { l.release(hold) }, nil
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// acquireMoving is acquire for paths that may change while it waits, as where returns them. It
// returns the paths that it holds.
func (l *pathLocks) acquireMoving(ctx context.Context, where func() []string) (release func(), held []string, err error) {
	for {
		held = where()
		release, err = l.acquire(ctx, held...)
		if err != nil || slices.Equal(held, where()) {
			return release, held, err
		}
		release()
	}
}

func (l *pathLocks) release(hold *pathHold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, hold)
	close(l.changed)
	l.changed = make(chan struct{})
}

// conflicts needs l.mu.
func (l *pathLocks) conflicts(hold *pathHold) bool {
	for other := range l.held {
		for _, a := range hold.paths {
			for _, b := range other.paths {
				if a == b || isBelow(a, b) || isBelow(b, a) {
					return true
				}
			}
		}
	}
	return false
}

// isBelow says whether path lies somewhere below dir.
func isBelow(path, dir string) bool {
	if dir == "/" {
		return path != "/"
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && strings.HasPrefix(path, dir)
}

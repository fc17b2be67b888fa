package events

import (
	"slices"
	"sync"
	"time"
)

const (
	groupedNames = 100 // of a directory, named in one event
	groupedDirs  = 256 // directories with an event under way
)

// Grouper makes one event a directory out of changes of names that come within a while of each other. Safe for concurrent use.
type Grouper struct {
	bus  *Bus
	wait time.Duration

	mu     sync.Mutex
	groups map[string]*group // guarded by mu; by directory
	closed bool              // guarded by mu
}

// group is what is known of one directory's changes.
type group struct {
	changed, removed map[string]struct{}
	more             int
	timer            *time.Timer
}

// NewGrouper returns a Grouper that publishes what has changed in a directory so long after the first change.
func NewGrouper(bus *Bus, wait time.Duration) *Grouper {
	return &Grouper{bus: bus, wait: wait, groups: make(map[string]*group)}
}

// Changed notes that a name in a directory of the mount was made or changed, or that it is gone. It never waits. Of very many names
// or directories at a time the rest is counted, that of directories in the event of the mount point.
func (g *Grouper) Changed(dir, name string, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	overflow := g.groups[dir] == nil && len(g.groups) >= groupedDirs
	if overflow {
		dir = g.bus.Mountpoint
	}
	in := g.groups[dir]
	if in == nil {
		in = &group{changed: make(map[string]struct{}), removed: make(map[string]struct{})}
		in.timer = time.AfterFunc(g.wait, func() { g.publish(dir) })
		g.groups[dir] = in
	}
	to, other := in.changed, in.removed
	if gone {
		to, other = other, to
	}
	_, known := to[name]
	switch {
	case overflow || !known && len(in.changed)+len(in.removed) >= groupedNames:
		in.more++
	default:
		delete(other, name)
		to[name] = struct{}{}
	}
}

// publish tells of a directory.
func (g *Grouper) publish(dir string) {
	g.mu.Lock()
	in := g.groups[dir]
	delete(g.groups, dir)
	g.mu.Unlock()
	if in != nil {
		g.bus.Publish(Event{Kind: RemoteChange, Directory: dir, Changed: names(in.changed), Removed: names(in.removed), More: in.more})
	}
}

func names(of map[string]struct{}) []string {
	all := make([]string, 0, len(of))
	for name := range of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Close publishes what waits; changes that come later are not noted.
func (g *Grouper) Close() {
	g.mu.Lock()
	g.closed = true
	dirs := make([]string, 0, len(g.groups))
	for dir, in := range g.groups {
		in.timer.Stop()
		dirs = append(dirs, dir)
	}
	g.mu.Unlock()
	slices.Sort(dirs)
	for _, dir := range dirs {
		g.publish(dir)
	}
}

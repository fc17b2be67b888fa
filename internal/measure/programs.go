package measure

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	seenSlots   = 256                    // threads whose program is remembered
	seenLife    = 100 * time.Millisecond // a thread that was replaced by another, or runs another program now, is told apart after this
	maxPrograms = 256                    // names; what comes later counts as OtherPrograms
)

// Names that are no program's.
const (
	OtherPrograms = "(others)"
	KernelProgram = "(kernel)" // or a program that this process cannot see: of another PID namespace, or gone
)

// Program counts what the processes of one name do. It is safe for concurrent use.
type Program struct {
	Opens, Reads, ReadBytes, Writes, WrittenBytes atomic.Int64

	// Fetched counts the bytes that its reads, and the read-ahead for them, brought from the service.
	Fetched atomic.Int64

	name string
}

// Programs tells programs apart by the names of their processes. Make it with NewPrograms.
type Programs struct {
	nameOf func(tid uint32) string
	began  time.Time

	seen [seenSlots]atomic.Pointer[sighting] // by tid modulo their number: whoever comes last has the place

	mu     sync.Mutex
	byName map[string]*Program // guarded by mu
}

// sighting is what a thread was.
type sighting struct {
	tid     uint32
	at      time.Duration // since began
	program *Program
}

// NewPrograms returns an empty set. nameOf tells the name of the process that a thread belongs to, "" when it cannot.
func NewPrograms(nameOf func(tid uint32) string) *Programs {
	return &Programs{nameOf: nameOf, began: time.Now(), byName: make(map[string]*Program)}
}

// Of returns the program of a thread at this time, which is now. It looks the name up ten times a second at most, unless many threads take turns:
// a shell that opens a file for a program becomes that program a moment later.
func (p *Programs) Of(tid uint32, at time.Time) *Program {
	since := at.Sub(p.began)
	slot := &p.seen[tid%seenSlots]
	if s := slot.Load(); s != nil && s.tid == tid && since-s.at < seenLife {
		return s.program
	}
	name := ""
	if tid != 0 {
		name = p.nameOf(tid)
	}
	if name == "" {
		name = KernelProgram
	}
	program := p.named(name)
	slot.Store(&sighting{tid, since, program})
	return program
}

// named returns the program of a name.
func (p *Programs) named(name string) *Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.byName) >= maxPrograms && p.byName[name] == nil {
		name = OtherPrograms
	}
	program := p.byName[name]
	if program == nil {
		program = &Program{name: name}
		p.byName[name] = program
	}
	return program
}

// Usage is what a program has done so far.
type Usage struct {
	Name                                          string
	Opens, Reads, ReadBytes, Writes, WrittenBytes int64
	Fetched                                       int64
}

// Moved is how many bytes it had carried, one way or another.
func (u Usage) Moved() int64 { return u.ReadBytes + u.WrittenBytes + u.Fetched }

// Usage returns what every program has done that opened, read or wrote something, those that moved most first.
func (p *Programs) Usage() []Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []Usage{}
	for name, g := range p.byName {
		u := Usage{name, g.Opens.Load(), g.Reads.Load(), g.ReadBytes.Load(), g.Writes.Load(), g.WrittenBytes.Load(), g.Fetched.Load()}
		if u.Opens+u.Reads+u.Writes+u.Fetched > 0 {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(b.Moved(), a.Moved()), cmp.Compare(b.Opens, a.Opens), strings.Compare(a.Name, b.Name))
	})
	return all
}

// ProcessName is what /proc says of the process that a thread belongs to, "" when it says nothing.
func ProcessName(tid uint32) string {
	id := strconv.FormatUint(uint64(tid), 10)
	status, err := os.ReadFile("/proc/" + id + "/status")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(status) {
		if group, ok := bytes.CutPrefix(line, []byte("Tgid:")); ok {
			id = string(bytes.TrimSpace(group))
			break
		}
	}
	name, err := os.ReadFile("/proc/" + id + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(name), "\n")
}

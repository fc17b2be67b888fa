package transfer

import (
	"sync"
	"sync/atomic"
)

// Progress is how far a command has come. Its zero value is ready. Safe for concurrent use.
type Progress struct {
	mu     sync.Mutex
	count  Count                // guarded by mu, but for what is on its way
	active map[*Active]struct{} // guarded by mu
}

// Count is a Progress at one instant.
type Count struct {
	Found, FoundBytes int64 // files and bytes that are to be copied, as far as the walk has come
	Walked            bool  // that is all

	Done, DoneBytes int64 // files and bytes that were; of files on their way too
	Moved           int64 // of DoneBytes, those that this command brought
	Skipped         int64 // files that were there already
	Failed          int64 // files and directories
}

// Active is a file on its way.
type Active struct {
	Name  string
	Size  int64
	Bytes atomic.Int64 // that have arrived

	before int64 // of Bytes, those an earlier command brought
}

// found counts a file that is to be copied.
func (p *Progress) found(size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Found++
	p.count.FoundBytes += size
}

// walked notes that nothing more will be found.
func (p *Progress) walked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Walked = true
}

// start notes a file on its way, until done is called.
func (p *Progress) start(name string, size int64) (a *Active, done func()) {
	a = &Active{Name: name, Size: size}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active == nil {
		p.active = make(map[*Active]struct{})
	}
	p.active[a] = struct{}{}
	return a, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.active, a)
		p.count.Moved += max(0, a.Bytes.Load()-a.before)
	}
}

// ended counts an outcome.
func (p *Progress) ended(o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.State == Failed {
		p.count.Failed++
	}
	switch {
	case o.Dir || o.State == Failed && p.count.Found == 0:
	case o.State == Skipped || o.State == Failed:
		p.count.Found-- // it is not to be copied any more
		p.count.FoundBytes -= o.Bytes
		if o.State == Skipped {
			p.count.Skipped++
		}
	default:
		p.count.Done++
		p.count.DoneBytes += o.Bytes
	}
}

// Now returns the counts, and the files on their way.
func (p *Progress) Now() (Count, []*Active) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.count
	active := make([]*Active, 0, len(p.active))
	for a := range p.active {
		active = append(active, a)
		c.DoneBytes += a.Bytes.Load()
		c.Moved += max(0, a.Bytes.Load()-a.before)
	}
	return c, active
}

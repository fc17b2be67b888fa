package measure

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Row counts the calls of one kind. The zero value is empty. It is safe for concurrent use.
type Row struct {
	took     Histogram
	in, out  atomic.Int64
	retries  atomic.Int64
	mu       sync.Mutex
	failures map[string]int64 // guarded by mu; by kind
}

// Record counts a call that took so long; failure is the kind of error it ended with, "" for none. The kinds must be few.
func (r *Row) Record(took time.Duration, failure string) {
	r.took.Record(took)
	if failure == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == nil {
		r.failures = make(map[string]int64)
	}
	r.failures[failure]++
}

// Brought counts bytes that came with calls.
func (r *Row) Brought(n int64) { r.in.Add(n) }

// Carried counts bytes that went with calls.
func (r *Row) Carried(n int64) { r.out.Add(n) }

// Retried counts a call that is made again after it failed.
func (r *Row) Retried() { r.retries.Add(1) }

func (r *Row) totals(name string) Totals {
	t := Totals{Name: name, Took: r.took.Counts(), In: r.in.Load(), Out: r.out.Load(), Retries: r.retries.Load()}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Failures = maps.Clone(r.failures)
	return t
}

// Totals is what a row has counted, or what came in between two times.
type Totals struct {
	Name     string
	Took     Counts
	Failures map[string]int64 // by kind
	In, Out  int64            // bytes
	Retries  int64
}

// Group is rows by name. The zero value is empty. It is safe for concurrent use.
type Group struct {
	mu   sync.Mutex
	rows map[string]*Row // guarded by mu; none is ever taken out
}

// Row returns the row of this name, made when it is first asked for. The names must be few.
func (g *Group) Row(name string) *Row {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rows[name]
	if r == nil {
		if g.rows == nil {
			g.rows = make(map[string]*Row)
		}
		r = new(Row)
		g.rows[name] = r
	}
	return r
}

// Totals returns what all rows have counted, by name in order.
func (g *Group) Totals() []Totals {
	g.mu.Lock()
	rows := maps.Clone(g.rows)
	g.mu.Unlock()
	all := make([]Totals, 0, len(rows))
	for name, r := range rows {
		all = append(all, r.totals(name))
	}
	slices.SortFunc(all, func(a, b Totals) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Since returns what came after earlier, which the same group returned: of the rows that counted something.
func Since(now, earlier []Totals) []Totals {
	before := make(map[string]Totals, len(earlier))
	for _, t := range earlier {
		before[t.Name] = t
	}
	var out []Totals
	for _, t := range now {
		b := before[t.Name]
		t.Took, t.In, t.Out, t.Retries = t.Took.Since(b.Took), t.In-b.In, t.Out-b.Out, t.Retries-b.Retries
		t.Failures = maps.Clone(t.Failures)
		for kind, n := range b.Failures {
			if t.Failures[kind] -= n; t.Failures[kind] == 0 {
				delete(t.Failures, kind)
			}
		}
		if t.Took.N() != 0 || t.In != 0 || t.Out != 0 || t.Retries != 0 {
			out = append(out, t)
		}
	}
	return out
}

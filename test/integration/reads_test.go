//go:build linux

package integration

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// readFaults are answers to a request for data that go wrong and that a read survives: it gets the right bytes, late. The data
// may come from the first host of a link or from the one behind it; a rule stands for both.
var readFaults = []struct {
	name string
	rule fault
}{
	{"503 twice", fault{Action: "status", Status: 503, Count: 2}},
	{"429 with Retry-After", fault{Action: "status", Status: 429, Header: map[string]string{"Retry-After": "1"}, Count: 1}},
	{"reset before the header", fault{Action: "reset", Count: 1}},
	{"reset in the body", fault{Action: "reset", Bytes: 100_000, Count: 2}},
	{"cut short", fault{Action: "truncate", Bytes: 50_000, Count: 2}},
	{"another range", fault{Action: "wrong-range", Count: 1}},
	{"200 for 206", fault{Action: "ignore-range", Count: 2}},
	{"HTML", fault{Action: "html", Count: 1}},
	{"link expired", fault{Action: "expired-link", Count: 1}},
	{"403", fault{Action: "status", Status: 403, Count: 1}},
	{"slow for a while", fault{Action: "slow", Bytes: 2 << 20, Count: 1}},
}

// TestReadSurvives reads at the head, in the middle, at the tail and from end to end while the service misbehaves.
func TestReadSurvives(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	for _, tc := range readFaults {
		for _, endpoint := range []string{"dlink-get", "cdn-get"} {
			if tc.rule.Action == "expired-link" && endpoint == "cdn-get" {
				continue // the second host's addresses expire by themselves
			}
			t.Run(tc.name+" from "+endpoint, func(t *testing.T) {
				t.Parallel()
				emu := startEmulator(t)
				tc.rule.Endpoint = endpoint
				parts := map[string]struct{ off, n int64 }{
					"head": {0, 4096}, "middle": {4_500_001, 100_000}, "tail": {size - 5000, 5000}, "whole": {0, size},
				}
				seeds := map[string]uint64{"head": 1, "middle": 2, "tail": 3, "whole": 4} // equal content would be cached
				for name := range parts {
					emu.put("/"+name, content(seeds[name], size))
				}
				m := mount(t, emu)
				for name, part := range parts { // each of a file of its own, of which nothing is cached
					emu.setFaults(tc.rule)
					f, err := os.Open(m.Path(name))
					require.NoError(t, err)
					got := make([]byte, part.n)
					_, err = f.ReadAt(got, part.off)
					require.NoError(t, err, name)
					require.NoError(t, f.Close())
					requireSame(t, content(seeds[name], size)[part.off:part.off+part.n], got, name)
					emu.requireFired()
				}
			})
		}
	}
}

// TestParallelReaders: many readers of one file at different places each get their own bytes.
func TestParallelReaders(t *testing.T) {
	t.Parallel()
	const size, readers = 24 * mib, 8
	emu := startEmulator(t)
	emu.put("/file", content(1, size))
	m := mount(t, emu)
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			f, err := os.Open(m.Path("file"))
			if err != nil {
				errs[i] = err
				return
			}
			defer f.Close()
			want, got := make([]byte, 300_000), make([]byte, 300_000)
			for step := range int64(40) { // each walks in steps of its own, forwards or backwards
				off := (int64(i)*3*mib + step*int64(1+i%4)*400_003*int64(1-2*(i%2))) % (size - 300_000)
				off = max(off, -off)
				if _, err := f.ReadAt(got, off); err != nil {
					errs[i] = fmt.Errorf("at %d: %w", off, err)
					return
				}
				if pattern(1, off, want); string(got) != string(want) {
					errs[i] = fmt.Errorf("wrong bytes at %d", off)
					return
				}
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		require.NoError(t, err, "reader %d", i)
	}
}

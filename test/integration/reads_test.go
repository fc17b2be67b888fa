//go:build linux

package integration

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

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

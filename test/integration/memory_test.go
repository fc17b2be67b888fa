//go:build linux

package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// memoryLimit is the peak resident set a daemon may have.
const memoryLimit = 256 * mib

// mountPlain mounts with a binary without the race detector, which multiplies memory.
func mountPlain(t *testing.T, emu *Emulator) *Mount {
	t.Helper()
	bin, err := plainBinary()
	require.NoError(t, err)
	return mountWith(t, emu, mountSpec{binary: bin})
}

// startPlainEmulator runs an emulator at full speed.
func startPlainEmulator(t *testing.T, flags ...string) *Emulator {
	t.Helper()
	bin, err := plainBinary()
	require.NoError(t, err)
	return startEmulatorOf(t, bin, flags...)
}

// requireSmall ends the test when a daemon has needed too much memory.
func requireSmall(t *testing.T, m *Mount, what string) {
	t.Helper()
	peak := m.PeakRSS()
	t.Logf("%s: peak RSS %d MiB", what, peak/mib)
	require.Less(t, peak, memoryLimit, "peak RSS while %s", what)
}

// TestMemoryOfBigFile writes and reads a file much larger than the memory a daemon may have.
func TestMemoryOfBigFile(t *testing.T) {
	t.Parallel()
	size := 2 * gib
	if testing.Short() {
		size = 512 * mib
	}
	emu := startPlainEmulator(t)
	writer := mountPlain(t, emu)
	require.NoError(t, writePattern(writer.Path("big"), 1, size))
	requireSmall(t, writer, "writing")
	in, err := emu.info("/big")
	require.NoError(t, err)
	require.Equal(t, size, in.Size)
	require.Len(t, in.Blocks, int(size/partSize))
	writer.Unmount()

	reader := mountPlain(t, emu)
	require.NoError(t, checkFile(reader.Path("big"), 1, size))
	requireSmall(t, reader, "reading")
}

// listingGrowth is what a listed entry may add to the resident set, in bytes.
const listingGrowth = 40 * mib / 100_000

// TestMemoryOfBigDirectory lists and stats a directory of 50,000 entries.
func TestMemoryOfBigDirectory(t *testing.T) {
	t.Parallel()
	const files = 50_000
	emu := startPlainEmulator(t, "--data=")
	emu.fill("/dir", 0, files)
	m := mountPlain(t, emu)
	before := m.RSS()
	dir, err := os.Open(m.Path("dir"))
	require.NoError(t, err)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	require.NoError(t, err)
	require.Len(t, names, files)
	eventually(t, 10*time.Second, "memory of the listing is given back", func() error {
		if growth := m.RSS() - before; growth > listingGrowth*files+10*mib { // the rest is of any first listing
			return fmt.Errorf("%d MiB more than before", growth/mib)
		}
		return nil
	})
	entries, err := os.ReadDir(m.Path("dir"))
	require.NoError(t, err)
	require.Len(t, entries, files)
	for i, e := range entries { // sorted, as the names are
		require.Equal(t, fileName(i), e.Name())
		st, err := e.Info()
		require.NoError(t, err)
		require.EqualValues(t, i%10, st.Size(), e.Name())
	}
	requireSmall(t, m, "listing")
}

// fileName returns the name of the i-th file of a big directory.
func fileName(i int) string { return fmt.Sprintf("a file with a name of usual length %05d.txt", i) }

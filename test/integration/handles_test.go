//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestUnlinkedFileStaysReadable: an open file that was removed can be read to its end, whether its bytes are here or not.
func TestUnlinkedFileStaysReadable(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	emu := startEmulator(t)
	emu.put("/remote", content(1, size))
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("written"), content(2, size), 0o644))
	require.NoError(t, os.WriteFile(m.Path("unsent"), nil, 0o644))
	for _, tc := range []struct {
		name  string
		seed  uint64
		write bool // its bytes are written after the open, and after the unlink
	}{{"remote", 1, false}, {"written", 2, false}, {"unsent", 3, true}} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := os.OpenFile(m.Path(tc.name), os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			want := content(tc.seed, size)
			if tc.write {
				_, err = f.Write(want[:size/2])
				require.NoError(t, err)
			}
			require.NoError(t, os.Remove(m.Path(tc.name)))
			require.ErrorIs(t, unix.Access(m.Path(tc.name), unix.F_OK), unix.ENOENT)
			if tc.write {
				_, err = f.WriteAt(want[size/2:], size/2)
				require.NoError(t, err)
			}
			got := make([]byte, size)
			_, err = f.ReadAt(got, 0)
			require.NoError(t, err)
			requireSame(t, want, got, "the unlinked file")
			st, err := f.Stat()
			require.NoError(t, err)
			require.EqualValues(t, size, st.Size())
			require.NoError(t, f.Close())
			eventually(t, 20*time.Second, "the file is gone from the drive", func() error { return absent(emu, "/"+tc.name) })
			require.NotContains(t, emu.names("/"), tc.name)
		})
	}
	require.Empty(t, emu.names("/"), "nothing is left of them under another name")
}

// absent returns an error unless the drive has nothing at path.
func absent(emu *Emulator, path string) error {
	_, err := emu.info(path)
	if errors.Is(err, errNoEntry) {
		return nil
	}
	return fmt.Errorf("%s is there", path)
}

// TestRenameOverOpenFile: whoever has the old file open reads the old bytes, whoever opens the name reads the new ones.
func TestRenameOverOpenFile(t *testing.T) {
	t.Parallel()
	const size = 5_000_000
	for _, where := range []string{"read before", "never read before"} {
		t.Run(where, func(t *testing.T) {
			emu := startEmulator(t)
			emu.put("/target", content(1, size))
			m := mount(t, emu)
			f, err := os.Open(m.Path("target"))
			require.NoError(t, err)
			defer f.Close()
			if where == "read before" {
				require.NoError(t, checkFile(m.Path("target"), 1, size))
			}
			require.NoError(t, writePattern(m.Path("source"), 2, size+1))
			require.NoError(t, os.Rename(m.Path("source"), m.Path("target")))
			require.NoError(t, checkPattern(f, 1, size), "the old handle")
			require.NoError(t, checkFile(m.Path("target"), 2, size+1), "the new file")
			require.NoError(t, f.Close())
			requirePatternOnDrive(t, emu, "/target", 2, size+1)
			eventually(t, 20*time.Second, "only the new file is left", func() error {
				if got := emu.names("/"); !slices.Equal(got, []string{"target"}) {
					return fmt.Errorf("the drive has %q", got)
				}
				return nil
			})
		})
	}
}

// TestFailedRenameOverOpenFile: a rename that the service refuses leaves both files as they were, also the one that is open and
// was already moved out of the way.
func TestFailedRenameOverOpenFile(t *testing.T) {
	t.Parallel()
	const size = 5_000_000
	emu := startEmulator(t)
	emu.put("/source", content(2, size))
	emu.put("/target", content(1, size))
	m := mount(t, emu)
	f, err := os.Open(m.Path("target"))
	require.NoError(t, err)
	defer f.Close()

	refusal := fault{Endpoint: "filemanager", Match: map[string]string{"opera": "move", "filelist": `~"/source"`}, Action: "errno", Errno: -7}
	emu.setFaults(refusal)
	require.Error(t, os.Rename(m.Path("source"), m.Path("target")))
	emu.requireFired()
	emu.setFaults()
	require.NoError(t, checkPattern(f, 1, size), "the open handle")
	require.NoError(t, f.Close())
	require.NoError(t, checkFile(m.Path("target"), 1, size))
	require.NoError(t, checkFile(m.Path("source"), 2, size))
	never(t, time.Second, "both files stay", func() error {
		if got := emu.names("/"); !slices.Equal(got, []string{"source", "target"}) {
			return fmt.Errorf("the drive has %q", got)
		}
		return nil
	})
	require.NoError(t, os.Rename(m.Path("source"), m.Path("target")))
	requirePatternOnDrive(t, emu, "/target", 2, size)
}

// TestUnlinkDuringCommit: a file that is deleted while its commit is under way does not come back, at whatever call that is.
func TestUnlinkDuringCommit(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"precreate", "superfile2", "create"} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			m := mount(t, emu)
			emu.setFaults(fault{Endpoint: endpoint, Action: "delay", Delay: "500ms"})
			require.NoError(t, os.WriteFile(m.Path("file"), nil, 0o644)) // never written: committed at its release
			eventually(t, 20*time.Second, "the call", func() error {
				if emu.faults()[0].Matched == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			require.NoError(t, os.Remove(m.Path("file")))
			require.Empty(t, list(t, m.Dir))
			m.settle()
			never(t, 1500*time.Millisecond, "the file is gone for good", func() error {
				if got := emu.names("/"); len(got) > 0 {
					return fmt.Errorf("the drive has %q", got)
				}
				return nil
			})
		})
	}
}

// TestReadYourWrites: what one handle wrote every handle reads, before, during and after its commit; what is written during a
// commit is committed by the next.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	const size = 5_000_000
	emu := startEmulator(t)
	m := mount(t, emu)
	writer, err := os.Create(m.Path("file"))
	require.NoError(t, err)
	defer writer.Close()
	reader, err := os.Open(m.Path("file"))
	require.NoError(t, err)
	defer reader.Close()
	want := content(1, size)
	same := func(when string) {
		t.Helper()
		got := make([]byte, len(want))
		_, err := reader.ReadAt(got, 0)
		require.NoError(t, err, when)
		requireSame(t, want, got, when)
	}

	_, err = writer.Write(want)
	require.NoError(t, err)
	same("before the commit")

	emu.setFaults(fault{Endpoint: "superfile2", Action: "delay", Delay: "2s"})
	synced := make(chan error, 1)
	go func() { synced <- writer.Sync() }()
	eventually(t, 20*time.Second, "a part on its way", func() error {
		if emu.faults()[0].Fired == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	same("during the commit")
	change := content(9, 1000)
	_, err = writer.WriteAt(change, 1_000_000)
	require.NoError(t, err)
	copy(want[1_000_000:], change)
	same("during the commit, after another write")
	select {
	case err := <-synced:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("fsync does not end")
	}
	emu.setFaults()
	same("after the commit")
	require.NoError(t, writer.Close())
	requireOnDrive(t, emu, "/file", want)
	same("after close")
	requireFile(t, mount(t, emu).Path("file"), want)
}

// TestDuplicatedDescriptors: every dup and every heir of a descriptor flushes; nothing is lost whoever is last.
func TestDuplicatedDescriptors(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	t.Run("dup", func(t *testing.T) {
		fd, err := unix.Open(m.Path("dup"), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		require.NoError(t, err)
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		require.NoError(t, err)
		_, err = unix.Write(fd, []byte("first "))
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
		_, err = unix.Write(twin, []byte("second"))
		require.NoError(t, err)
		require.NoError(t, unix.Close(twin))
		requireOnDrive(t, emu, "/dup", []byte("first second"))
	})
	t.Run("child", func(t *testing.T) {
		sh(t, m.Dir, `exec 3>child; (echo child >&3); echo parent >&3; exec 3>&-`)
		requireOnDrive(t, emu, "/child", []byte("child\nparent\n"))
	})
	t.Run("child outlives opener", func(t *testing.T) {
		// The writer is not the opener, so its flush does not commit: release does, and release nobody waits for.
		fifo := filepath.Join(tempDir(t), "go")
		require.NoError(t, unix.Mkfifo(fifo, 0o600))
		sh(t, m.Dir, `exec 3>late; { read line <"`+fifo+`"; echo "$line" >&3; } & exit 0`)
		start, err := os.OpenFile(fifo, os.O_RDWR, 0) // O_RDWR does not wait for the reader
		require.NoError(t, err)
		defer start.Close()
		_, err = start.WriteString("late\n")
		require.NoError(t, err)
		eventually(t, 20*time.Second, "the late bytes", func() error {
			if in, err := emu.info("/late"); err != nil || in.Size != 5 {
				return fmt.Errorf("%+v, %v", in, err)
			}
			return nil
		})
		requireOnDrive(t, emu, "/late", []byte("late\n"))
	})
}

// TestSharedMapping: bytes that arrive through a shared mapping, also after the last close, are on the drive when it is gone.
func TestSharedMapping(t *testing.T) {
	t.Parallel()
	const size = 300_000
	for _, when := range []string{"before close", "after close"} {
		t.Run(when, func(t *testing.T) {
			emu := startEmulator(t)
			emu.put("/file", content(1, size))
			m := mount(t, emu)
			f, err := os.OpenFile(m.Path("file"), os.O_RDWR, 0)
			require.NoError(t, err)
			mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			require.NoError(t, err)
			want := content(1, size)
			requireSame(t, want, mem, "the mapping")
			change := content(2, 10_000)
			copy(want[100_000:], change)
			if when == "before close" {
				copy(mem[100_000:], change)
				require.NoError(t, unix.Msync(mem, unix.MS_SYNC))
				requireFile(t, m.Path("file"), want)
				require.NoError(t, f.Close())
			} else {
				require.NoError(t, f.Close())
				copy(mem[100_000:], change)
			}
			require.NoError(t, unix.Munmap(mem))
			eventually(t, 20*time.Second, "the change on the drive", func() error {
				if string(emu.read("/file")) != string(want) {
					return errors.New("other bytes")
				}
				return nil
			})
			requireOnDrive(t, emu, "/file", want)
			requireFile(t, m.Path("file"), want)
		})
	}
}

// TestAppendsDoNotOverwrite: two handles that append to one file each find the end.
func TestAppendsDoNotOverwrite(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	open := func() *os.File {
		f, err := os.OpenFile(m.Path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		return f
	}
	one, two := open(), open()
	want := ""
	for i := range 100 {
		for _, f := range []*os.File{one, two} {
			line := fmt.Sprintf("line %d\n", i)
			want += line
			_, err := f.WriteString(line)
			require.NoError(t, err)
		}
	}
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
	requireOnDrive(t, emu, "/log", []byte(want))
}

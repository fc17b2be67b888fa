//go:build linux

package integration

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rclonePath = flag.String("rclone", "", "rclone to measure beside teraboxfs; `make bench-peers` builds one")

// rcloneSettings are rclone as it comes, and as its documents and users tune it for reading (--vfs-cache-mode full keeps what was
// read on disk; --vfs-read-chunk-streams reads that many chunks at once).
var rcloneSettings = []struct {
	name  string
	flags []string
}{
	{"rclone", nil},
	{"rclone-full", []string{"--vfs-cache-mode=full"}},
	{"rclone-tuned", []string{
		"--vfs-cache-mode=off", "--vfs-read-chunk-streams=8", "--vfs-read-chunk-size=4M", "--buffer-size=32M", "--max-read-ahead=1M",
	}},
	{"rclone-full-tuned", []string{
		"--vfs-cache-mode=full", "--vfs-read-chunk-streams=8", "--vfs-read-chunk-size=4M", "--buffer-size=32M", "--max-read-ahead=1M",
	}},
}

// fileserver serves a directory over a link to rclone, as the emulator does to teraboxfs.
type fileserver struct {
	url  string
	proc *process
}

// BenchmarkPeers puts teraboxfs and rclone over equal links to the same bytes, in turns.
func BenchmarkPeers(b *testing.B) {
	if *rclonePath == "" {
		b.Skip("no rclone: `make bench-peers` builds one")
	}
	d := newBenchDrive(b)
	servers := map[shape]*fileserver{local: d.serve(b, local), wan: d.serve(b, wan)}
	over := func(link shape) []setup {
		setups := []setup{{"teraboxfs", link, func(b *testing.B) *rig { return d.teraboxfs(b) }}}
		if link != local {
			setups = append(setups, setup{"teraboxfs-8-streams", link, func(b *testing.B) *rig { return d.teraboxfs(b, "--streams=8") }})
		}
		for _, s := range rcloneSettings {
			setups = append(setups, setup{s.name, link, func(b *testing.B) *rig { return servers[link].rclone(b, s.flags) }})
		}
		return setups
	}
	d.compare(b, "sequential", over(local), benchSequential)
	d.compare(b, "8 readers", over(local), benchReaders(8))
	d.compare(b, "sequential, wan", over(wan), benchSequential)
	d.compare(b, "random 64KiB, wan", over(wan), benchRandom(64*kib))
	d.compare(b, "first byte, wan", over(wan), benchFirstByte)
}

// serve starts a fileserver on the files of the drive.
func (d *benchDrive) serve(b *testing.B, s shape) *fileserver {
	b.Helper()
	program := filepath.Join(scratch, "fileserver")
	if _, err := os.Stat(program); err != nil {
		out, err := exec.Command("go", "build", "-o", program, "../bench/fileserver").CombinedOutput()
		require.NoError(b, err, "%s", out)
	}
	f := &fileserver{proc: startProcess(b, launch{
		name: "fileserver", program: program, env: os.Environ(),
		args: []string{"-dir", d.local, "-latency", s.latency, "-bandwidth", strconv.FormatInt(s.bandwidth, 10)},
	})}
	b.Cleanup(func() { f.proc.stop(syscall.SIGTERM, time.Minute) })
	eventually(b, 30*time.Second, "the file server's first line", func() error {
		match := listening.FindStringSubmatch(f.proc.stdout())
		if match == nil {
			return errors.New("not listening")
		}
		f.url = match[1]
		return nil
	})
	return f
}

// rclone is a mount by rclone with nothing cached.
func (f *fileserver) rclone(b *testing.B, flags []string) *rig {
	b.Helper()
	h := newHome(b, &Emulator{})
	dir := filepath.Join(tempDir(b), "mnt")
	require.NoError(b, os.Mkdir(dir, 0o755))
	args := append([]string{
		"mount", ":http:", dir, "--http-url=" + f.url, "--config=" + os.DevNull, "--cache-dir=" + filepath.Join(h.dir, "cache"), "--read-only",
	}, flags...)
	b.Cleanup(func() {
		if mounted(dir) {
			lazyUnmount(dir)
			b.Errorf("%s was left mounted", dir)
		}
	})
	proc := startProcess(b, launch{name: "rclone", program: *rclonePath, args: args, env: h.env()})
	eventually(b, time.Minute, "rclone's mount", func() error {
		if !proc.running() {
			b.Fatalf("rclone ended with code %d: %s", proc.code(), proc.stderr())
		}
		if !mounted(dir) {
			return errors.New("not in the mount table")
		}
		_, err := os.ReadDir(dir)
		return err
	})
	return &rig{
		b: b, dir: dir, daemon: proc.cmd.Process.Pid, server: f.proc.cmd.Process.Pid,
		end: func() {
			require.True(b, proc.stop(syscall.SIGTERM, time.Minute), "rclone does not end on SIGTERM")
			require.False(b, mounted(dir), "rclone left its mount")
			require.NoError(b, os.RemoveAll(h.dir))
		},
	}
}

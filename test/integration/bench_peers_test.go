//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
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
	dir  string // what it serves, on this machine
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
			setups = append(setups, setup{s.name, link, func(b *testing.B) *rig { return servers[link].reads(b, s.flags) }})
		}
		return setups
	}
	d.compare(b, "sequential", over(local), benchSequential)
	d.compare(b, "8 readers", over(local), benchReaders(8))
	d.compare(b, "sequential, wan", over(wan), benchSequential)
	d.compare(b, "random 64KiB, wan", over(wan), benchRandom(64*kib))
	d.compare(b, "first byte, wan", over(wan), benchFirstByte)
}

// BenchmarkPeersWriting is BenchmarkPeers for writing: until the server has everything.
func BenchmarkPeersWriting(b *testing.B) {
	if *rclonePath == "" {
		b.Skip("no rclone: `make bench-peers` builds one")
	}
	bin, err := plainBinary()
	require.NoError(b, err)
	d := &benchDrive{emu: startEmulatorOf(b, bin), local: tempDir(b)}
	servers := map[shape]*fileserver{local: d.serve(b, local), wan: d.serve(b, wan)}
	writers := func(link shape) []setup {
		setups := []setup{
			{"teraboxfs-10-parts", link, func(b *testing.B) *rig { return d.teraboxfs(b, "--parts=10") }},
			{"teraboxfs-background", link, func(b *testing.B) *rig {
				return d.teraboxfs(b, "--commit=background", "--uploads=40", "--parts=40")
			}},
		}
		for _, s := range rcloneWriting {
			setups = append(setups, setup{s.name, link, func(b *testing.B) *rig { return servers[link].writes(b, s.flags) }})
		}
		return setups
	}
	d.compare(b, "write", writers(local), benchWriteOut)
	d.compare(b, "write, wan", writers(wan), benchWriteOut)
	d.compare(b, "500 files by cp", writers(local), benchTreeOut)
	d.compare(b, "500 files by cp, wan", writers(wan), benchTreeOut)
}

// rcloneWriting are rclone as it comes, which sends a file while it is written, and as it is tuned for writing: files are kept on disk
// first and sent behind, many at a time.
var rcloneWriting = []struct {
	name  string
	flags []string
}{
	{"rclone", nil},
	{"rclone-writes-tuned", []string{"--vfs-cache-mode=writes", "--vfs-write-back=0s", "--transfers=40", "--webdav-pacer-min-sleep=0s"}},
}

// benchWriteOut writes a file until the server has it.
func benchWriteOut(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	size := benchSize
	if s.link != local {
		size /= 2
	}
	writtenFiles++
	name := fmt.Sprint("file", writtenFiles)
	seed := uint64(1000 + writtenFiles) // no two files have a block in common
	c := r.measure(func() int64 {
		require.NoError(b, writePattern(filepath.Join(r.dir, name), seed, size))
		r.uploaded(map[string]int64{name: size})
		return size
	})
	b.ReportMetric(c.rate(), "MB/s")
	b.ReportMetric(c.perGiB(c.daemon), "cpu-s/GiB")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
	require.NoError(b, os.Remove(filepath.Join(r.dir, name)))
}

// benchTreeOut copies a directory of 500 files of 16 KiB until the server has them.
func benchTreeOut(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	writtenFiles++
	tree := filepath.Join(tempDir(b), fmt.Sprint("tree", writtenFiles))
	require.NoError(b, os.Mkdir(tree, 0o755))
	want := make(map[string]int64)
	for i := range 500 {
		name := fmt.Sprint("file", i)
		require.NoError(b, os.WriteFile(filepath.Join(tree, name), content(uint64(writtenFiles*1000+i), 16*kib), 0o644))
		want[filepath.Join(filepath.Base(tree), name)] = 16 * kib
	}
	start := time.Now()
	must(b, r.dir, "cp", "-r", tree, ".")
	copied := time.Since(start)
	r.uploaded(want)
	b.ReportMetric(float64(len(want))/time.Since(start).Seconds(), "files/s")
	b.ReportMetric(float64(len(want))/copied.Seconds(), "cp-files/s")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
}

// serve starts a fileserver on the files of the drive.
func (d *benchDrive) serve(b *testing.B, s shape) *fileserver {
	b.Helper()
	program := filepath.Join(scratch, "fileserver")
	if _, err := os.Stat(program); err != nil {
		out, err := exec.Command("go", "build", "-o", program, "../bench/fileserver").CombinedOutput()
		require.NoError(b, err, "%s", out)
	}
	f := &fileserver{dir: d.local, proc: startProcess(b, launch{
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

// reads is a mount by rclone to read from, with nothing cached.
func (f *fileserver) reads(b *testing.B, flags []string) *rig {
	return f.rclone(b, ":http:", append([]string{"--http-url=" + f.url, "--read-only"}, flags...))
}

// writes is a mount by rclone to write to.
func (f *fileserver) writes(b *testing.B, flags []string) *rig {
	r := f.rclone(b, ":webdav:", append([]string{"--webdav-url=" + f.url}, flags...))
	r.uploaded = func(want map[string]int64) {
		eventually(b, 10*time.Minute, "all files on rclone's server", func() error {
			for name, size := range want {
				if st, err := os.Stat(filepath.Join(f.dir, name)); err != nil || st.Size() != size {
					return fmt.Errorf("%s: %v", name, err)
				}
			}
			return nil
		})
	}
	return r
}

func (f *fileserver) rclone(b *testing.B, source string, flags []string) *rig {
	b.Helper()
	h := newHome(b, &Emulator{})
	dir := filepath.Join(tempDir(b), "mnt")
	require.NoError(b, os.Mkdir(dir, 0o755))
	args := append([]string{
		"mount", source, dir, "--config=" + os.DevNull, "--cache-dir=" + filepath.Join(h.dir, "cache"),
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

//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// sourceTree returns a local directory of real files, a few hundred of them: a part of Go's source, or all of it with
// TERABOXFS_FULL=1.
func sourceTree(t testing.TB) string {
	t.Helper()
	src := filepath.Join(strings.TrimSpace(must(t, ".", "go", "env", "GOROOT")), "src")
	if os.Getenv("TERABOXFS_FULL") == "1" {
		return src
	}
	local := filepath.Join(tempDir(t), "src")
	require.NoError(t, os.Mkdir(local, 0o755))
	parts := []string{"net", "encoding"}
	if testing.Short() {
		parts = []string{"encoding"}
	}
	for _, part := range parts {
		must(t, local, tool(t, "cp"), "-r", "--preserve=timestamps", filepath.Join(src, part), ".")
	}
	return local
}

// TestCopyTree copies a source tree in, compares it, and compares it again on a second machine.
func TestCopyTree(t *testing.T) {
	t.Parallel()
	tool(t, "diff")
	src := sourceTree(t)
	emu := startEmulator(t)
	m := mount(t, emu)
	must(t, m.Dir, "cp", "-r", src, "copy")
	must(t, m.Dir, "diff", "-r", src, "copy")
	other := mount(t, emu)
	must(t, other.Dir, "diff", "-r", src, "copy")
	must(t, m.Dir, "rm", "-r", "copy")
	require.Empty(t, emu.names("/"))
}

// TestRsyncTwice: the second rsync -a of an unchanged tree sends no file, nor does one after a remount; one changed file is
// sent alone.
func TestRsyncTwice(t *testing.T) {
	t.Parallel()
	tool(t, "rsync")
	src := sourceTree(t)
	emu := startEmulator(t)
	m := mount(t, emu)
	send := func(m *Mount) int {
		return rsyncSent(t, must(t, m.Dir, "rsync", "-a", "--itemize-changes", "--stats", src+"/", "copy/"))
	}
	require.Positive(t, send(m))
	must(t, m.Dir, "diff", "-r", src, "copy")
	require.Zero(t, send(m), "the second time")

	again := m.Remount(emu)
	require.Zero(t, send(again), "after a remount")
	changed := filepath.Join(tempDir(t), "src")
	must(t, again.Dir, "cp", "-r", "--preserve=timestamps", src, changed)
	require.NoError(t, os.WriteFile(filepath.Join(changed, "new file"), []byte("new"), 0o644))
	src = changed
	require.Equal(t, 1, send(again), "one new file")
	must(t, mount(t, emu).Dir, "diff", "-r", src, "copy")
}

// rsyncSent returns how many regular files a run of rsync sent, by its own statistics and by its list of changes.
func rsyncSent(t testing.TB, out string) int {
	t.Helper()
	match := regexp.MustCompile(`Number of regular files transferred: ([\d,]+)`).FindStringSubmatch(out)
	require.NotNil(t, match, "%s", tail(out, 2000))
	n, err := strconv.Atoi(strings.ReplaceAll(match[1], ",", ""))
	require.NoError(t, err)
	sent := regexp.MustCompile(`(?m)^[<>]f`).FindAllString(out, -1)
	require.Len(t, sent, n, "%s", tail(out, 2000))
	return n
}

// TestSavePatterns: what editors, rsync and SQLite do to change a file leaves the new content under its name, and nothing else, in
// both modes.
func TestSavePatterns(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			m := mount(t, emu, "--commit="+mode)
			for i, tc := range []struct{ name, needs, script string }{
				{"in place", "", `printf new >file`},
				{"vim, with a backup", "", `printf x >.file.swp; mv file file~; printf new >file; rm file~ .file.swp`},
				{"vim, copied", "", `printf x >4913; rm 4913; cp -p file file~; printf new >file; rm file~`},
				{"GLib", "", `printf new >.goutputstream-A1B2C3; mv .goutputstream-A1B2C3 file`},
				{"emacs", "", `printf new >'#file#'; cp -p file file~; printf new >file; rm '#file#' file~`},
				{"swapped", "", `printf new >file.new; mv file file.old; mv file.new file; rm file.old`},
				{"sed -i", "sed", `sed -i s/.*/new/ file; truncate -s 3 file`},
				{"rsync --inplace", "rsync", `printf new >"$TMPDIR/file"; rsync --inplace "$TMPDIR/file" .`},
				{"rsync -a --partial", "rsync", `printf new >"$TMPDIR/file"; rsync -a --partial "$TMPDIR/file" .`},
				{"rsync --append", "rsync", `printf ne >file; printf new >"$TMPDIR/file"; rsync --append "$TMPDIR/file" .`},
				{"two appenders", "", `: >file; exec 3>>file; exec 4>>file; printf n >&3; printf e >&4; printf w >&3; exec 3>&-; exec 4>&-`},
				{"dd conv=notrunc", "dd", `printf nxw >file; printf e | dd of=file bs=1 seek=1 conv=notrunc 2>/dev/null`},
				{"a browser", "", `rm file; printf ne >file.part; printf w >>file.part; mv file.part file`},
			} {
				t.Run(tc.name, func(t *testing.T) {
					if tc.needs != "" {
						tool(t, tc.needs)
					}
					dir := fmt.Sprint(i)
					require.NoError(t, os.Mkdir(m.Path(dir), 0o755))
					require.NoError(t, os.WriteFile(m.Path(dir, "file"), []byte("old and longer"), 0o644))
					sh(t, m.Path(dir), "TMPDIR='"+tempDir(t)+"'; "+tc.script)
					requireFile(t, m.Path(dir, "file"), []byte("new"))
					require.Equal(t, []string{"file"}, list(t, m.Path(dir)))
					require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
					requireOnDrive(t, emu, "/"+dir+"/file", []byte("new"))
					require.Equal(t, []string{"file"}, emu.names("/"+dir))
				})
			}
		})
	}
}

// TestTar extracts an archive on the mount: bytes and times come back, and an archive made there has the same files.
func TestTar(t *testing.T) {
	t.Parallel()
	tool(t, "tar")
	src := sourceTree(t)
	emu := startEmulator(t)
	m := mount(t, emu)
	archive := filepath.Join(tempDir(t), "src.tar")
	must(t, filepath.Dir(src), "tar", "-cf", archive, filepath.Base(src))
	must(t, m.Dir, "tar", "-xf", archive)
	must(t, m.Dir, "diff", "-r", src, filepath.Base(src))
	// --compare looks at sizes, times, modes and bytes; owners are the mount's.
	out, err := try(t, m.Dir, "tar", "--compare", "-f", archive)
	if err != nil {
		for _, line := range lines(out) {
			require.Regexp(t, `(Uid|Gid|Mode) differs|^tar: `, line)
		}
	}
	must(t, m.Dir, "tar", "-cf", "back.tar", filepath.Base(src))
	back := tempDir(t)
	must(t, back, "tar", "-xf", m.Path("back.tar"))
	must(t, back, "diff", "-r", src, filepath.Base(src))
}

// TestGit clones a repository onto the mount, which git finds sound, also on a second machine, and works in it.
func TestGit(t *testing.T) {
	t.Parallel()
	tool(t, "git")
	repo := filepath.Join(tempDir(t), "repo")
	require.NoError(t, os.Mkdir(repo, 0o755))
	git := func(dir string, args ...string) string {
		return must(t, dir, "git", append([]string{
			"-c", "safe.directory=*", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main",
		}, args...)...)
	}
	git(repo, "init", "-q")
	for commit := range 5 {
		for i := range 20 {
			name := filepath.Join(repo, fmt.Sprintf("dir%d", i%4), fmt.Sprintf("file%d", i))
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, content(uint64(100*commit+i), int64(1000*i+commit)), 0o644))
		}
		git(repo, "add", "-A")
		git(repo, "commit", "-q", "-m", fmt.Sprint("commit ", commit))
	}

	emu := startEmulator(t)
	m := mount(t, emu)
	git(m.Dir, "clone", "-q", "--no-local", repo, "clone")
	clone := m.Path("clone")
	git(clone, "fsck", "--full", "--strict")
	require.Empty(t, git(clone, "status", "--porcelain"))
	require.NoError(t, os.WriteFile(filepath.Join(clone, "on the mount"), []byte("x"), 0o644))
	git(clone, "add", "-A")
	git(clone, "commit", "-q", "-m", "made on the mount")
	git(clone, "gc", "-q")
	git(clone, "fsck", "--full", "--strict")

	other := mount(t, emu).Path("clone")
	git(other, "fsck", "--full", "--strict")
	require.Equal(t, git(clone, "rev-parse", "HEAD"), git(other, "rev-parse", "HEAD"))
	must(t, repo, "diff", "-r", "-x", ".git", "-x", "on the mount", repo, other)
}

// TestSQLite works in a database on the mount; it is sound there, after a remount and on a second machine.
func TestSQLite(t *testing.T) {
	t.Parallel()
	tool(t, "sqlite3")
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			useSQLite(t, mode)
		})
	}
}

func useSQLite(t *testing.T, mode string) {
	emu := startEmulator(t)
	m := mount(t, emu, "--commit="+mode)
	sqlite := func(m *Mount, sql string) string {
		return strings.TrimSpace(must(t, m.Dir, "sqlite3", "db.sqlite", sql))
	}
	sqlite(m, `create table t(id integer primary key, text text, data blob);`)
	for i := range 4 {
		sqlite(m, fmt.Sprintf(`begin; with recursive n(i) as (select 1 union all select i+1 from n where i<500)
			insert into t(text, data) select 'row ' || i || ' of %d', randomblob(300) from n; commit;`, i))
	}
	sqlite(m, `create index by_text on t(text); update t set text = text || '!' where id % 3 = 0; delete from t where id % 7 = 0;`)
	sqlite(m, `begin; delete from t; rollback;`)
	want := sqlite(m, `select count(*), sum(length(data)), sum(id) from t;`)
	require.Equal(t, "1715|514500|1715715", want)
	require.Equal(t, "ok", sqlite(m, `pragma integrity_check;`))
	sqlite(m, `vacuum;`)
	again := m.Remount(emu, "--commit="+mode)
	for _, where := range []*Mount{again, mount(t, emu)} {
		require.Equal(t, "ok", sqlite(where, `pragma integrity_check;`))
		require.Equal(t, want, sqlite(where, `select count(*), sum(length(data)), sum(id) from t;`))
	}
}

// TestMedia probes and seeks in a film whose index is at its end: every frame is the one of the local file.
func TestMedia(t *testing.T) {
	t.Parallel()
	tool(t, "ffmpeg")
	tool(t, "ffprobe")
	local := tempDir(t)
	film := filepath.Join(local, "film.mp4")
	must(t, local, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=20:size=640x360:rate=25",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=20", "-c:v", "mpeg4", "-q:v", "3", "-c:a", "aac", film)
	data, err := os.ReadFile(film)
	require.NoError(t, err)
	require.Greater(t, bytes.Index(data, []byte("moov")), len(data)/2, "the index has to be at the end")
	emu := startEmulator(t)
	emu.put("/film.mp4", data)

	m := mount(t, emu)
	probe := func(name string) string {
		return must(t, local, "ffprobe", "-v", "error", "-show_entries", "format=duration,size:stream=codec_name,nb_frames", name)
	}
	require.Equal(t, probe(film), probe(m.Path("film.mp4")))
	frames := func(name, at string) string {
		return must(t, local, "ffmpeg", "-v", "error", "-ss", at, "-i", name, "-frames:v", "10", "-an", "-f", "framemd5", "-")
	}
	for _, at := range []string{"0", "17.3", "2.04", "9.99", "19", "0.5"} {
		require.Equal(t, frames(film, at), frames(m.Path("film.mp4"), at), "at %s s", at)
	}
	// A muxer seeks back to write what it learned at the end.
	must(t, local, "ffmpeg", "-v", "error", "-i", film, "-c", "copy", "-movflags", "+faststart", m.Path("fast.mp4"))
	require.Equal(t, frames(film, "9.99"), frames(mount(t, emu).Path("fast.mp4"), "9.99"))
}

// TestParallelCopies copies four big files in at once: each is whole on the drive.
func TestParallelCopies(t *testing.T) {
	t.Parallel()
	size := 256 * mib
	if testing.Short() || raceEnabled {
		size = 64 * mib
	}
	local := tempDir(t)
	emu := startEmulator(t)
	m := mount(t, emu)
	const files = 4
	var copies []*process
	for i := range files {
		name := fmt.Sprintf("big%d", i)
		require.NoError(t, writePattern(filepath.Join(local, name), uint64(i+1), size))
	}
	for i := range files {
		name := fmt.Sprintf("big%d", i)
		copies = append(copies, command(t, m.Dir, "cp", filepath.Join(local, name), name))
	}
	for _, cp := range copies {
		require.True(t, cp.wait(toolLimit), "cp does not end")
		require.Zero(t, cp.code(), "cp: %s", cp.stderr())
	}
	other := mount(t, emu)
	var wg sync.WaitGroup
	errs := make([]error, files)
	for i := range files {
		requirePatternOnDrive(t, emu, fmt.Sprintf("/big%d", i), uint64(i+1), size)
		wg.Go(func() { errs[i] = checkFile(other.Path(fmt.Sprintf("big%d", i)), uint64(i+1), size) })
	}
	wg.Wait()
	for i, err := range errs {
		require.NoError(t, err, "file %d, read on a second machine beside the others", i)
	}
}

package emulator

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTestDriveOn opens a data directory, without HTTP, until the test ends.
func newTestDriveOn(t *testing.T, dir string) *testDrive {
	t.Helper()
	d := newTestDrive(t, Config{DataDir: dir})
	t.Cleanup(func() { _ = d.s.Close() })
	return d
}

// kill ends a service as kill -9 does: nothing is flushed, the lock goes.
func (d *testDrive) kill() {
	d.t.Helper()
	d.s.drive.mu.Lock()
	defer d.s.drive.mu.Unlock()
	require.NoError(d.t, d.s.drive.journal.file.Close())
	require.NoError(d.t, d.s.unlock())
}

// fill makes a state with a bit of everything in it.
func fill(t *testing.T, d *testDrive) {
	t.Helper()
	d.upload("/docs/a.bin", noise(minPart+5, 1))
	d.upload("/docs/b.txt", []byte("b"), "local_mtime", "1700000005")
	d.upload("/docs/b.txt", []byte("bb"), "rtype", "3", "local_mtime", "1700000006")
	d.put("/trash/me", "binned")
	d.manage("delete", `["/trash"]`)
	d.manage("move", `[{"path":"/docs","dest":"/","newname":"papers"}]`)
	d.manage("copy", `[{"path":"/papers/a.bin","dest":"/","newname":"copy.bin"}]`)
}

// stateOf describes all that a client can see.
func stateOf(d *testDrive) []string {
	state := []string{fmt.Sprint("used ", d.s.drive.used())}
	for _, e := range append(d.s.drive.subtree("/"), d.s.drive.binned()...) {
		state = append(state, fmt.Sprint(e.ID, e.Path, e.Dir, e.Size, e.MD5, e.ServerMtime, e.ServerCtime, e.LocalMtime))
	}
	return state
}

func TestNextProcessContinues(t *testing.T) {
	for name, end := range map[string]func(*testDrive){
		"after Close":       func(d *testDrive) { require.NoError(d.t, d.s.Close()) },
		"after a kill":      (*testDrive).kill,
		"after compaction":  func(d *testDrive) { d.s.drive.mu.Lock(); _ = d.s.drive.compact(); d.s.drive.mu.Unlock(); d.kill() },
		"after a torn line": func(d *testDrive) { _, _ = d.s.drive.journal.file.WriteString(`{"put":[{"id":9`); d.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := newTestDrive(t, Config{DataDir: dir})
			client := attach(t, d)
			fill(t, client)
			part := noise(minPart, 3)
			pre := client.precreate("/later", append(bytes.Clone(part), "end"...))
			id := pre.json["uploadid"].(string)
			client.sendPart(id, 0, part)
			cursor := client.post("/api/filediff", "cursor", "null").json["cursor"].(string)
			link := client.dlink("/papers/b.txt")
			want := stateOf(client)
			end(d)

			next := attach(t, newTestDriveOn(t, dir))
			assert.Equal(t, want, stateOf(next))
			assert.Equal(t, "bb", string(next.content("/papers/b.txt")))
			assert.True(t, bytes.Equal(noise(minPart+5, 1), next.content("/copy.bin")))

			next.sendPart(id, 1, []byte("end"))
			require.Zero(t, next.create("/later", id, append(part, "end"...)).errno(), "the upload goes on")
			changed, _ := diffAll(t, next, cursor)
			assert.Contains(t, changed, "/later", "and so does a cursor")
			moved := next.web.URL + link[strings.Index(link, "/file/"):]
			assert.Equal(t, "bb", string(next.send(request{url: next.cdn(moved), cookie: "-"}).body), "and a link")

			bin := next.get("/api/recycle/list").items("list")
			require.Len(t, bin, 1)
			require.Zero(t, next.post("/api/recycle/restore", "fidlist", "["+fmt.Sprint(bin[0]["fs_id"])+"]").errno())
			assert.Equal(t, "binned", string(next.content("/trash/me")))
		})
	}
}

// attach gives a drive a listener of its own for the test.
func attach(t *testing.T, d *testDrive) *testDrive {
	t.Helper()
	c := *d
	c.web, c.http = newWeb(t, d.s)
	return &c
}

func TestCompactionKeepsOneJournal(t *testing.T) {
	dir := t.TempDir()
	d := newTestDriveOn(t, dir)
	for i := range 5 {
		require.NoError(t, d.s.Mkdir(fmt.Sprintf("/d%d", i)))
		d.s.drive.mu.Lock()
		require.NoError(t, d.s.drive.compact())
		d.s.drive.mu.Unlock()
	}
	files, err := filepath.Glob(filepath.Join(dir, "journal-*"))
	require.NoError(t, err)
	assert.Equal(t, []string{journalPath(dir, 5)}, files)
	require.NoError(t, d.s.Close())
	assert.Len(t, newTestDriveOn(t, dir).tree("/"), 5)
}

func TestDataDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	d := newTestDriveOn(t, dir)
	_, err := New(Config{DataDir: dir})
	require.ErrorIs(t, err, ErrInUse)
	assert.Contains(t, err.Error(), dir)
	require.NoError(t, d.s.Close())
	newTestDriveOn(t, dir)
}

func TestDamagedJournalIsAnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(journalPath(dir, 0), []byte("no json\n{}\n"), 0o600))
	_, err := New(Config{DataDir: dir})
	require.ErrorContains(t, err, "journal at byte 0")
	_, err = New(Config{DataDir: dir})
	require.ErrorContains(t, err, "journal at byte 0", "the lock was given back")
}

func TestUnreferencedBlocksGoAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	d := newTestDriveOn(t, dir)
	d.put("/keep", "keep")
	require.NoError(t, d.s.Close())
	stray := block{md5Of([]byte("stray")), 5}
	file := (&blobStore{dir: filepath.Join(dir, "blocks")}).file(stray)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte("stray"), 0o600))
	next := newTestDriveOn(t, dir)
	assert.NoFileExists(t, file)
	assert.Equal(t, "keep", string(next.content("/keep")))
}

func TestDeletedContentLeavesTheDisk(t *testing.T) {
	dir := t.TempDir()
	d := newTestDriveOn(t, dir)
	before := blockFiles(t, dir)
	d.put("/f", string(noise(3*minPart, 4)))
	assert.Equal(t, before+3, blockFiles(t, dir))
	require.NoError(t, d.s.Remove("/f"))
	assert.Equal(t, before+3, blockFiles(t, dir), "the bin keeps it")
	require.NoError(t, d.s.drive.clearBin(d.clock.Now()))
	assert.Equal(t, before, blockFiles(t, dir))
}

// blockFiles counts the block files in a data directory.
func blockFiles(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blocks", "??", "*"))
	require.NoError(t, err)
	return len(files)
}

func TestInsideCalls(t *testing.T) {
	d := newTestDriveOn(t, t.TempDir())
	require.NoError(t, d.s.Put("/a/b.txt", strings.NewReader("hello world"), time.Unix(1_700_000_009, 0)))
	require.NoError(t, d.s.Mkdir("/a/dir/"))
	require.NoError(t, d.s.Mkdir("/a/dir"))
	require.NoError(t, d.s.Mkdir("/"))
	assert.ErrorIs(t, d.s.Mkdir("/a/b.txt"), errExists)
	require.NoError(t, d.s.PutNamed("/a", "..", strings.NewReader("odd"), time.Time{}))
	require.NoError(t, d.s.PutNamed("/a", "x/y\x01", strings.NewReader("odd"), time.Time{}))

	list, err := d.s.List("/a")
	require.NoError(t, err)
	assert.Len(t, list, 4)
	info, err := d.s.Stat("/a/b.txt")
	require.NoError(t, err)
	assert.Equal(t, "5eb63bbbe01eeed093cb22bb8f5acdc3", info.MD5)
	assert.EqualValues(t, 1_700_000_009, info.LocalMtime)

	c, info, err := d.s.Open("/a/b.txt")
	require.NoError(t, err)
	assert.Equal(t, d.fsID("/a/b.txt"), info.FsID)
	_, err = c.Seek(6, io.SeekStart)
	require.NoError(t, err)
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, "world", string(rest))
	require.NoError(t, c.Close())

	for _, missing := range []string{"/none", "/a/none"} {
		_, _, err = d.s.Open(missing)
		assert.ErrorIs(t, err, os.ErrNotExist)
		_, err = d.s.Stat(missing)
		assert.ErrorIs(t, err, os.ErrNotExist)
		_, err = d.s.List(missing)
		assert.ErrorIs(t, err, os.ErrNotExist)
		assert.Error(t, d.s.Remove(missing))
	}
}

// A block that went and came back is on disk once, while the journal still tells of its going.
func TestReplayKeepsBlocksThatCameBack(t *testing.T) {
	x, y := sampleNoise(rapidMin, 1), sampleNoise(rapidMin, 2)
	for name, play := range map[string]func(d *testDrive){
		"overwritten and back": func(d *testDrive) {
			d.upload("/f", x)
			d.upload("/f", y, "rtype", "3")
			d.upload("/f", x, "rtype", "3")
		},
		"deleted for good and sent again": func(d *testDrive) {
			d.upload("/old", x)
			d.manage("delete", `["/old"]`)
			d.get("/api/recycle/clear")
			d.upload("/f", x)
		},
		"deleted for good and known from another user": func(d *testDrive) {
			d.upload("/old", x)
			require.NoError(d.t, d.s.AddShare(ShareSpec{Key: "theirs", Files: []ShareFile{{Path: "/f", Size: len(x), Seed: 1}}}))
			d.manage("delete", `["/old"]`)
			d.get("/api/recycle/clear")
			require.EqualValues(d.t, 2, d.precreate("/f", x).num("return_type"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := newTestDrive(t, Config{DataDir: dir})
			play(attach(t, d))
			d.kill()
			next := newTestDriveOn(t, dir)
			assert.True(t, bytes.Equal(x, next.content("/f")))
			files, err := filepath.Glob(filepath.Join(dir, "blocks", "??", md5Of(y)+"-*"))
			require.NoError(t, err)
			assert.Empty(t, files, "what nothing refers to is swept")
		})
	}
}

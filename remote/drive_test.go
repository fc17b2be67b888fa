package remote_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/remote"
)

// drive is a client and the emulated service it speaks to.
type drive struct {
	*remote.Client
	srv *emulator.Server
}

// newDrive starts both; set may adjust the client's settings.
func newDrive(t *testing.T, cfg emulator.Config, set ...func(*remote.Config)) *drive {
	run, err := emulator.Start(cfg, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	rc := remote.Config{
		BaseURL: run.URL, Cookie: "demo", Rate: remote.RateOff, ReadTimeout: 10 * time.Second,
		Backoff: remote.Backoff{
			First: time.Millisecond, Max: 10 * time.Millisecond, Throttle: time.Millisecond, Busy: 5 * time.Millisecond,
			Elapsed: 2 * time.Second, Offline: 200 * time.Millisecond, Task: 10 * time.Second,
		},
	}
	for _, f := range set {
		f(&rc)
	}
	c, err := remote.New(rc)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &drive{Client: c, srv: run.Server}
}

// faults arms the emulator.
func (d *drive) faults(t *testing.T, faults ...emulator.Fault) {
	require.NoError(t, d.srv.SetFaults(faults))
}

// fired is how often the n-th rule did its work.
func (d *drive) fired(n int) int { return d.srv.Faults()[n].Fired }

// content is size bytes that are different for every seed.
func content(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// blocks are the digests of the parts of b.
func blocks(b []byte) []string {
	var out []string
	part := int(remote.PartSize(int64(len(b))))
	for len(b) > part {
		out = append(out, sum(b[:part]))
		b = b[part:]
	}
	return append(out, sum(b))
}

func sum(b []byte) string {
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}

func partOf(path, uploadID string, b []byte, seq int) remote.PartRequest {
	size := int(remote.PartSize(int64(len(b))))
	piece := b[seq*size : min(len(b), (seq+1)*size)]
	return remote.PartRequest{Path: path, UploadID: uploadID, Seq: seq, Size: int64(len(piece)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(piece)), nil
	}}
}

// upload sends b as writeback would, without its checks and restarts.
func (d *drive) upload(ctx context.Context, path string, b []byte, conflict remote.Conflict) (remote.Entry, error) {
	list, mtime := blocks(b), time.Unix(1700000000, 0)
	pre, err := d.Precreate(ctx, remote.PrecreateRequest{Path: path, Size: int64(len(b)), BlockList: list, Mtime: mtime, Conflict: conflict})
	if err != nil || pre.Done != nil {
		return value(pre.Done), err
	}
	for _, seq := range pre.Needed {
		digest, err := d.UploadPart(ctx, partOf(path, pre.UploadID, b, seq))
		if err != nil {
			return remote.Entry{}, err
		}
		if digest != list[seq] {
			return remote.Entry{}, fmt.Errorf("part %d: %w", seq, remote.ErrPartDigest)
		}
	}
	return d.Create(ctx, remote.CreateRequest{
		Path: path, Size: int64(len(b)), UploadID: pre.UploadID, BlockList: list, Mtime: mtime, Conflict: conflict,
	})
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func TestTrafficCountsTheBytesOfParts(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	_, err := d.upload(t.Context(), "/a", content(5<<20, 1), remote.ConflictFail)
	require.NoError(t, err)
	got := d.Traffic()
	assert.EqualValues(t, 5<<20, got.Sent)
	assert.Zero(t, got.Failed)
	assert.GreaterOrEqual(t, got.Calls, int64(2))
	assert.Zero(t, got.Parts)
	parts := callsOf(t, d, "superfile2")
	assert.EqualValues(t, 5<<20, parts.Out)
	assert.EqualValues(t, 2, parts.Took.N())
	e, err := d.Stat(t.Context(), "/a")
	require.NoError(t, err)
	body, err := d.OpenRange(t.Context(), e, 1<<20, 1<<20)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, body)
	require.NoError(t, errors.Join(err, body.Close()))
	data := callsOf(t, d, remote.CallData)
	assert.EqualValues(t, 1<<20, data.In)
	assert.EqualValues(t, 1, data.Took.N())
}

// callsOf is what a client has counted of one kind of request.
func callsOf(t *testing.T, d *drive, name string) measure.Totals {
	all := d.Calls()
	i := slices.IndexFunc(all, func(c measure.Totals) bool { return c.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}

func TestUploadAtTheBlockEdges(t *testing.T) {
	const mib = 1 << 20
	for _, dialect := range []remote.Dialect{remote.DialectXpan, remote.DialectWeb} {
		d := newDrive(t, emulator.Config{}, func(c *remote.Config) { c.Dialect = dialect })
		for i, size := range []int{0, 1, 4*mib - 1, 4 * mib, 4*mib + 1, 8 * mib, 9_000_000} {
			t.Run(fmt.Sprintf("%s %d", dialect, size), func(t *testing.T) {
				b := content(size, byte(i))
				path := fmt.Sprintf("/sub dir+%%/f %d & ü", size)
				e, err := d.upload(t.Context(), path, b, remote.ConflictFail)
				require.NoError(t, err)
				assert.Equal(t, path, e.Path)
				assert.EqualValues(t, size, e.Size)
				assert.Equal(t, remote.FileMD5(blocks(b)), e.MD5)

				stored, err := d.srv.ReadFile(path)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(b, stored))

				seen, err := d.Stat(t.Context(), path)
				require.NoError(t, err)
				assert.Equal(t, e.MD5, seen.MD5)
				assert.Equal(t, e.FsID, seen.FsID)
				assert.EqualValues(t, 1700000000, seen.Mtime().Unix())
			})
		}
	}
}

func TestAutoFindsTheWebDialect(t *testing.T) {
	d := newDrive(t, emulator.Config{DisableXpan: true})
	for i := range 2 {
		_, err := d.upload(t.Context(), fmt.Sprintf("/f%d", i), content(10, 1), remote.ConflictFail)
		require.NoError(t, err)
	}
	assert.Equal(t, 2, d.srv.Calls()["create"])
}

func TestOverwriteAndConflict(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	first, err := d.upload(t.Context(), "/f", content(100, 1), remote.ConflictFail)
	require.NoError(t, err)
	_, err = d.upload(t.Context(), "/f", content(100, 2), remote.ConflictFail)
	require.ErrorIs(t, err, remote.ErrExist)
	second, err := d.upload(t.Context(), "/f", content(100, 2), remote.ConflictOverwrite)
	require.NoError(t, err)
	assert.Equal(t, "/f", second.Path)
	assert.NotEqual(t, first.Version(), second.Version())
}

// TestRapidAnswersAreClaims: what the service says it knows is handed on as a claim.
func TestRapidAnswersAreClaims(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	b := content(5<<20, 7)
	_, err := d.upload(t.Context(), "/one", b, remote.ConflictFail)
	require.NoError(t, err)
	pre, err := d.Precreate(t.Context(), remote.PrecreateRequest{Path: "/two", Size: int64(len(b)), BlockList: blocks(b)})
	require.NoError(t, err)
	require.NotNil(t, pre.Done, "return_type 2")
	assert.Equal(t, "/two", pre.Done.Path)
	assert.Equal(t, remote.FileMD5(blocks(b)), pre.Done.MD5)

	other := append(slices.Clone(b[:4<<20]), content(1<<20, 9)...) // shares the first block
	pre, err = d.Precreate(t.Context(), remote.PrecreateRequest{Path: "/three", Size: int64(len(other)), BlockList: blocks(other)})
	require.NoError(t, err)
	assert.Equal(t, []int{1}, pre.Needed, "only the block that is new")

	d.faults(t, emulator.Fault{Endpoint: "precreate", Action: "empty-block-list"})
	fresh := content(5<<20, 8)
	pre, err = d.Precreate(t.Context(), remote.PrecreateRequest{Path: "/four", Size: int64(len(fresh)), BlockList: blocks(fresh)})
	require.NoError(t, err)
	assert.True(t, pre.Claimed, "the trap: an empty list that is no rapid upload")
	assert.Nil(t, pre.Done)
	_, err = d.Create(t.Context(), remote.CreateRequest{Path: "/four", Size: int64(len(fresh)), UploadID: pre.UploadID, BlockList: blocks(fresh)})
	require.ErrorIs(t, err, remote.ErrPartMissing)
}

// TestUploadSurvives: faults that must not be noticed.
func TestUploadSurvives(t *testing.T) {
	twice := func(endpoint, action string, status, errno int) emulator.Fault {
		return emulator.Fault{Endpoint: endpoint, Action: action, Status: status, Errno: errno, Count: 2}
	}
	for _, f := range []emulator.Fault{
		twice("precreate", "status", 503, 0), twice("precreate", "status", 429, 0), twice("precreate", "errno", 0, 31034),
		twice("precreate", "reset", 0, 0), twice("precreate", "drop-answer", 0, 0),
		{Endpoint: "precreate", Action: "stale-token", Count: 1}, {Endpoint: "create", Action: "stale-token", Count: 1},
		{Endpoint: "precreate", Action: "not-logged-in", Count: 1},
		twice("home", "status", 502, 0), twice("locateupload", "status", 500, 0), twice("locateupload", "truncate", 0, 0),
		twice("superfile2", "status", 500, 0), twice("superfile2", "status", 429, 0), twice("superfile2", "reset", 0, 0),
		twice("superfile2", "drop-answer", 0, 0), twice("superfile2", "html", 0, 0), twice("superfile2", "truncate", 0, 0),
		{Endpoint: "superfile2", Action: "wrong-cluster", Count: 1},
		twice("create", "errno", 0, 31355), twice("create", "errno", 0, 111), twice("create", "errno", 0, 31034), twice("create", "status", 429, 0),
		{Endpoint: "*", Action: "string-numbers"}, {Endpoint: "*", Action: "scrambled-md5"}, {Endpoint: "*", Action: "plain-md5"},
	} {
		t.Run(fmt.Sprintf("%s %s %d %d", f.Endpoint, f.Action, f.Status, f.Errno), func(t *testing.T) {
			d := newDrive(t, emulator.Config{})
			d.faults(t, f)
			b := content(4<<20+5, 3)
			e, err := d.upload(t.Context(), "/f", b, remote.ConflictFail)
			require.NoError(t, err)
			assert.Equal(t, remote.FileMD5(blocks(b)), e.MD5)
			assert.Positive(t, d.fired(0), "the fault happened")
			stored, err := d.srv.ReadFile("/f")
			require.NoError(t, err)
			assert.True(t, bytes.Equal(b, stored))
		})
	}
}

// TestUploadReports: faults the caller has to hear of, by kind.
func TestUploadReports(t *testing.T) {
	for _, tc := range []struct {
		fault emulator.Fault
		want  error
	}{
		{emulator.Fault{Endpoint: "precreate", Action: "quota"}, remote.ErrNoSpace},
		{emulator.Fault{Endpoint: "precreate", Action: "errno", Errno: 58}, remote.ErrTooLarge},
		{emulator.Fault{Endpoint: "precreate", Action: "not-logged-in"}, remote.ErrLogin},
		{emulator.Fault{Endpoint: "home", Action: "login-redirect"}, remote.ErrLogin},
		{emulator.Fault{Endpoint: "home", Action: "verify-redirect"}, remote.ErrVerify},
		{emulator.Fault{Endpoint: "precreate", Action: "errno", Errno: 4000023}, remote.ErrVerify},
		{emulator.Fault{Endpoint: "superfile2", Action: "wrong-md5"}, remote.ErrPartDigest},
		{emulator.Fault{Endpoint: "superfile2", Action: "expired-upload"}, remote.ErrUploadGone},
		{emulator.Fault{Endpoint: "superfile2", Action: "wrong-cluster"}, remote.ErrLogin},
		{emulator.Fault{Endpoint: "create", Action: "missing-block"}, remote.ErrPartMissing},
		{emulator.Fault{Endpoint: "create", Action: "quota"}, remote.ErrNoSpace},
		{emulator.Fault{Endpoint: "*", Action: "status", Status: 503}, remote.ErrServer},
		{emulator.Fault{Endpoint: "*", Action: "html"}, remote.ErrProtocol},
		{emulator.Fault{Endpoint: "*", Action: "garbage"}, remote.ErrProtocol},
		{emulator.Fault{Endpoint: "*", Action: "reset"}, remote.ErrOffline},
	} {
		t.Run(tc.fault.Endpoint+" "+tc.fault.Action, func(t *testing.T) {
			d := newDrive(t, emulator.Config{}, func(c *remote.Config) { c.Backoff.Elapsed = 200 * time.Millisecond })
			d.faults(t, tc.fault)
			_, err := d.upload(t.Context(), "/f", content(10, 1), remote.ConflictFail)
			require.ErrorIs(t, err, tc.want)
			_, err = d.srv.Stat("/f")
			assert.Error(t, err, "no file came of it")
		})
	}
}

// TestLostCreateAnswer: the file is there, the caller is told to look, and nothing was sent twice.
func TestLostCreateAnswer(t *testing.T) {
	for _, action := range []string{"drop-answer", "truncate"} {
		t.Run(action, func(t *testing.T) {
			d := newDrive(t, emulator.Config{})
			d.faults(t, emulator.Fault{Endpoint: "create", Action: action, Bytes: 5, Nth: 1})
			b := content(10, 1)
			_, err := d.upload(t.Context(), "/f", b, remote.ConflictFail)
			require.Error(t, err)
			assert.True(t, remote.AmbiguousCreate(err), err)
			assert.Equal(t, 1, d.srv.Calls()["create"])
			e, err := d.Stat(t.Context(), "/f")
			require.NoError(t, err)
			assert.Equal(t, remote.FileMD5(blocks(b)), e.MD5)
		})
	}
}

func TestSilentRenameShowsInTheEntry(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	require.NoError(t, d.srv.Put("/f", strings.NewReader("theirs"), time.Time{}))
	d.faults(t, emulator.Fault{Endpoint: "create", Action: "silent-rename"})
	e, err := d.upload(t.Context(), "/f", []byte("ours"), remote.ConflictOverwrite)
	require.NoError(t, err)
	assert.NotEqual(t, "/f", e.Path)
	_, err = d.Mkdir(t.Context(), "/f")
	require.ErrorIs(t, err, remote.ErrExist)
}

func TestLogin(t *testing.T) {
	d := newDrive(t, emulator.Config{Quota: 5 << 30})
	a, err := d.Login(t.Context())
	require.NoError(t, err)
	assert.NotZero(t, a.UK)
	assert.Equal(t, "demo", a.Name)
	assert.EqualValues(t, 4<<30, a.MaxFileSize)
	assert.Equal(t, d.Base().String(), a.Base)

	require.NoError(t, d.srv.Put("/f", bytes.NewReader(content(1000, 1)), time.Time{}))
	q, err := d.Quota(t.Context())
	require.NoError(t, err)
	assert.Equal(t, remote.Quota{Total: 5 << 30, Used: 1000}, q)
	assert.EqualValues(t, 5<<30-1000, q.Free())
}

func TestWrongCookie(t *testing.T) {
	d := newDrive(t, emulator.Config{}, func(c *remote.Config) { c.Cookie = "notTheOne" })
	_, err := d.Login(t.Context())
	require.ErrorIs(t, err, remote.ErrLogin)
	assert.NotContains(t, err.Error(), "notTheOne")
	_, err = d.Mkdir(t.Context(), "/d")
	require.ErrorIs(t, err, remote.ErrLogin)
}

// TestRegion: the service sends the account to dm.drive.test; everything goes there from then on.
func TestRegion(t *testing.T) {
	run, err := emulator.Start(emulator.Config{Faults: []emulator.Fault{{Endpoint: "*", Action: "region-redirect"}}}, "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, run.Close()) }()
	addr := strings.TrimPrefix(run.URL, "http://")
	c, err := remote.New(remote.Config{
		BaseURL: "http://www.drive.test", Cookie: "demo", Rate: remote.RateOff,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	a, err := c.Login(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "http://dm.drive.test", a.Base)
	d := &drive{Client: c, srv: run.Server}
	_, err = d.upload(t.Context(), "/f", content(10, 1), remote.ConflictFail)
	require.NoError(t, err)
	assert.Equal(t, 1, run.Server.Faults()[0].Fired, "one redirect, then the region's host")
}

func TestListManyEntries(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	want := map[string]bool{}
	for i := range 2500 {
		path := fmt.Sprintf("/many/f%04d", i)
		require.NoError(t, d.srv.Put(path, strings.NewReader(path), time.Unix(1600000000, 0)))
		want[path] = true
	}
	d.srv.ResetCalls()
	pages := 0
	for page, err := range d.List(t.Context(), "/many") {
		require.NoError(t, err)
		pages++
		for _, e := range page {
			assert.True(t, want[e.Path], e.Path)
			delete(want, e.Path)
			assert.EqualValues(t, 11, e.Size)
			assert.EqualValues(t, 1600000000, e.Mtime().Unix())
			assert.Equal(t, sum([]byte(e.Path)), e.MD5)
		}
	}
	assert.Empty(t, want)
	assert.Equal(t, 3, pages)

	for _, err := range d.List(t.Context(), "/nowhere") {
		require.ErrorIs(t, err, remote.ErrNotExist)
	}
}

func TestDirectories(t *testing.T) {
	ctx := t.Context()
	d := newDrive(t, emulator.Config{TaskTime: 20 * time.Millisecond})
	e, err := d.Mkdir(ctx, "/d")
	require.NoError(t, err)
	assert.True(t, e.IsDir)
	_, err = d.Mkdir(ctx, "/d")
	require.ErrorIs(t, err, remote.ErrExist)
	require.NoError(t, d.srv.Put("/d/a", strings.NewReader("a"), time.Time{}))
	require.NoError(t, d.srv.Put("/d/b", strings.NewReader("b"), time.Time{}))
	before, err := d.Stat(ctx, "/d/a")
	require.NoError(t, err)

	require.NoError(t, d.Move(ctx, "/d/a", "/moved", false))
	after, err := d.Stat(ctx, "/moved")
	require.NoError(t, err)
	assert.Equal(t, before.Version(), after.Version(), "a rename keeps the version")
	require.ErrorIs(t, d.Move(ctx, "/moved", "/d/b", false), remote.ErrExist)
	require.NoError(t, d.Move(ctx, "/moved", "/d/b", true))
	got, err := d.srv.ReadFile("/d/b")
	require.NoError(t, err)
	assert.Equal(t, "a", string(got))
	require.ErrorIs(t, d.Move(ctx, "/nothing", "/x", false), remote.ErrNotExist)

	require.NoError(t, d.Copy(ctx, "/d", "/copy"))
	require.ErrorIs(t, d.Copy(ctx, "/d", "/copy"), remote.ErrExist)
	err = d.Remove(ctx, "/copy/b", "/copy/none")
	require.ErrorIs(t, err, remote.ErrNotExist)
	_, err = d.Stat(ctx, "/copy/b")
	require.ErrorIs(t, err, remote.ErrNotExist, "the others of a batch are deleted")

	d.faults(t, emulator.Fault{Endpoint: "filemanager", Action: "task"})
	require.NoError(t, d.Move(ctx, "/copy", "/by task", false))
	require.NoError(t, d.Remove(ctx, "/d", "/by task"))
	require.ErrorIs(t, d.Remove(ctx, "/d"), remote.ErrNotExist)
	left, err := d.srv.List("/")
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestFileManagerSurvives: faults of the file manager that must not be noticed, nor do anything twice.
func TestFileManagerSurvives(t *testing.T) {
	for _, f := range []emulator.Fault{
		{Endpoint: "filemanager", Action: "busy", Count: 2},
		{Endpoint: "filemanager", Action: "stale-token", Count: 1},
		{Endpoint: "filemanager", Action: "drop-answer", Nth: 1},
		{Endpoint: "filemanager", Action: "reset", Nth: 1},
		{Endpoint: "filemanager", Action: "status", Status: 502, Nth: 1},
		{Endpoint: "filemanager", Action: "errno", Errno: 31034, Count: 2},
		{Endpoint: "taskquery", Action: "status", Status: 503, Count: 2},
		{Endpoint: "filemetas", Action: "status", Status: 503, Count: 1},
	} {
		t.Run(f.Endpoint+" "+f.Action, func(t *testing.T) {
			d := newDrive(t, emulator.Config{TaskTime: 20 * time.Millisecond})
			require.NoError(t, d.srv.Put("/a", strings.NewReader("a"), time.Time{}))
			task := emulator.Fault{Endpoint: "filemanager", Action: "task"}
			if f.Endpoint != "taskquery" {
				task.Count, task.Nth = 1, 1000
			}
			d.faults(t, f, task)
			require.NoError(t, d.Move(t.Context(), "/a", "/b", true))
			d.faults(t, f, task)
			require.NoError(t, d.Remove(t.Context(), "/b"))
			left, err := d.srv.List("/")
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// TestNamesAgree: what CheckName lets through, the service takes as it is.
func TestNamesAgree(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	for _, name := range []string{
		"plain", ".hidden", "sp ace", "pl+us", "per%cent", "am&p", "eq=", "semi;colon", "quo'te", "日本語", "ü", "a#b", "[x]", "~", "-",
		strings.Repeat("n", 255), `qu"ote`, "back\\slash", "col:on", "que?ry", "st*ar", "p|pe", "<x>", "tab\t", " lead", "trail ", "dot.",
		"\U0001F600", "nl\n", strings.Repeat("n", 256),
	} {
		e, err := d.Mkdir(t.Context(), "/"+name)
		if checked := remote.CheckName(name); checked != nil {
			require.ErrorIs(t, err, remote.ErrName, "%q", name)
			continue
		}
		require.NoError(t, err, "%q", name)
		assert.Equal(t, "/"+name, e.Path)
		_, err = d.srv.Stat("/" + name)
		require.NoError(t, err, "%q", name)
	}
}

func TestManyAtOnce(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	done := make(chan error)
	for i := range 8 {
		go func() {
			path := fmt.Sprintf("/d%d/f", i)
			_, err := d.upload(t.Context(), path, content(100_000, byte(i)), remote.ConflictFail)
			if err == nil {
				err = d.Move(t.Context(), path, path+"2", false)
			}
			if err == nil {
				_, err = d.Stat(t.Context(), path+"2")
			}
			done <- err
		}()
	}
	var errs []error
	for range 8 {
		errs = append(errs, <-done)
	}
	require.NoError(t, errors.Join(errs...))
	assert.Equal(t, 1, d.srv.Calls()["home"], "one token page for all")
	assert.Equal(t, 1, d.srv.Calls()["locateupload"])
}

package control

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDaemon has pending files that a test takes away.
type fakeDaemon struct {
	mu      sync.Mutex
	pending []Pending     // guarded by mu
	drained chan struct{} // closed when nothing is pending any more
	failure error         // how the drain ends
}

func newFakeDaemon(pending ...Pending) *fakeDaemon {
	return &fakeDaemon{pending: pending, drained: make(chan struct{})}
}

func (d *fakeDaemon) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Status{ID: "id", Mountpoint: "/mnt", Pending: d.pending}
}

func (d *fakeDaemon) Drain(ctx context.Context) error {
	select {
	case <-d.drained:
		return d.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cache answers a line for each path; the path "/bad" ends it.
func (d *fakeDaemon) Queue(_ context.Context, req QueueRequest, emit func(QueueLine) error) error {
	for _, p := range req.Paths {
		if err := emit(QueueLine{Path: p, To: req.To}); err != nil {
			return err
		}
	}
	if req.Op == "nonsense" {
		return errors.New("not known")
	}
	return nil
}

func (d *fakeDaemon) Info(_ context.Context, req PathRequest) (PathInfo, error) {
	if req.Path == "/missing" {
		return PathInfo{}, &Refusal{Msg: "no such entry", Hint: "look elsewhere", Code: 3}
	}
	return PathInfo{Path: req.Path, Kind: "file"}, nil
}

func (d *fakeDaemon) Refresh(_ context.Context, req PathRequest) (Refreshed, error) {
	if req.Path == "/missing" {
		return Refreshed{}, errors.New("a plain error")
	}
	return Refreshed{Path: req.Path, Added: 2}, nil
}

func (d *fakeDaemon) Login(_ context.Context, req LoginRequest) (LoginResult, error) {
	if req.Account != "mine" {
		return LoginResult{}, &Refusal{Msg: "another account", Code: 4}
	}
	return LoginResult{Taken: true, State: AccountState{State: StateOK}}, nil
}

func (d *fakeDaemon) Set(_ context.Context, req SetRequest) (SetResult, error) {
	if req.Values["no"] != "" {
		return SetResult{}, &Refusal{Msg: "not while it runs", Code: 2}
	}
	return SetResult{[]LiveSetting{{"uploads", req.Values["uploads"]}}}, nil
}

func TestSettingsAreChangedOrRefused(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon())
	got, err := c.Set(t.Context(), SetRequest{map[string]string{"uploads": "2"}})
	require.NoError(t, err)
	assert.Equal(t, SetResult{[]LiveSetting{{"uploads", "2"}}}, got)
	_, err = c.Set(t.Context(), SetRequest{map[string]string{"no": "2"}})
	assert.Equal(t, &Refusal{Msg: "not while it runs", Code: 2}, err)
}

func (d *fakeDaemon) Cache(_ context.Context, req CacheRequest, emit func(CacheLine) error) error {
	for _, path := range req.Paths {
		if path == "/bad" {
			return errors.New("no such path")
		}
		if err := emit(CacheLine{Path: path, Held: 7}); err != nil {
			return err
		}
	}
	return nil
}

func (d *fakeDaemon) Samples(_ context.Context, req SamplesRequest) ([]Sample, error) {
	if !req.After.IsZero() {
		return []Sample{{At: req.After.Add(time.Second)}}, nil
	}
	return make([]Sample, req.Last), nil
}

func (d *fakeDaemon) Profile(ctx context.Context, req ProfileRequest) (Profile, error) {
	if req.Seconds > 60 {
		<-ctx.Done()
		return Profile{}, ctx.Err()
	}
	return Profile{Seconds: req.Seconds, Operations: []Latency{{Name: "read", Errors: map[string]int64{"EIO": 1, "EINTR": 2}}}}, nil
}

func (d *fakeDaemon) Programs(context.Context, struct{}) ([]Program, error) {
	return []Program{{Name: "cat", Read: 2, Fetched: 3}, {Name: "ls"}}, nil
}

func (d *fakeDaemon) PageLink(context.Context, struct{}) (PageLink, error) {
	return PageLink{URL: "http://127.0.0.1:1/?token=x"}, nil
}

// finish empties the queue, or leaves it and fails.
func (d *fakeDaemon) finish(failure error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = failure
	if failure == nil {
		d.pending = nil
	}
	close(d.drained)
}

// socketDir is a short directory: a socket's path has at most 107 bytes.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve starts a server for d and returns a client of it.
func serve(t *testing.T, dir string, d Daemon) *Client {
	t.Helper()
	s, err := Listen(dir, "id")
	require.NoError(t, err)
	s.Serve(d)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	c, err := Open(dir, "id")
	require.NoError(t, err)
	return c
}

func TestStatusComesBack(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon(Pending{Path: "/a", Bytes: 3, State: "failed", Err: "no"}))
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Status{ID: "id", Mountpoint: "/mnt", Pending: []Pending{{Path: "/a", Bytes: 3, State: "failed", Err: "no"}}}, s)
	assert.Equal(t, os.Getpid(), c.PID())
}

func TestCacheReportsLineByLine(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon())
	var got []string
	note := func(l CacheLine) { got = append(got, l.Path) }
	require.NoError(t, c.Cache(t.Context(), CacheRequest{Op: "warm", Paths: []string{"/a", "/b"}}, note))
	assert.Equal(t, []string{"/a", "/b"}, got)
	err := c.Cache(t.Context(), CacheRequest{Op: "warm", Paths: []string{"/c", "/bad", "/d"}}, note)
	require.ErrorContains(t, err, "no such path")
	assert.Equal(t, []string{"/a", "/b", "/c"}, got)
}

func TestSamplesComeBack(t *testing.T) {
	got, err := serve(t, socketDir(t), newFakeDaemon()).Samples(t.Context(), SamplesRequest{Last: 3})
	require.NoError(t, err)
	assert.Len(t, got, 3)
}

func TestWatchGoesOnUntilToldToStop(t *testing.T) {
	dir := socketDir(t)
	c := serve(t, dir, newFakeDaemon())
	var seen []Sample
	stop := errors.New("enough")
	err := c.Watch(t.Context(), func(s Sample) error {
		if seen = append(seen, s); len(seen) == 3 {
			return stop
		}
		return nil
	})
	require.ErrorIs(t, err, stop)
	assert.Equal(t, time.Second, seen[1].At.Sub(seen[0].At))
	assert.Equal(t, time.Second, seen[2].At.Sub(seen[1].At))
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, c.Watch(ctx, func(Sample) error { cancel(); return nil }), context.Canceled)
}

func TestWatchEndsWithTheDaemon(t *testing.T) {
	dir := socketDir(t)
	s, err := Listen(dir, "id")
	require.NoError(t, err)
	s.Serve(newFakeDaemon())
	c, err := Open(dir, "id")
	require.NoError(t, err)
	var once sync.Once
	closed := make(chan error, 1)
	err = c.Watch(t.Context(), func(Sample) error {
		once.Do(func() { go func() { closed <- s.Close() }() })
		return nil
	})
	require.ErrorIs(t, err, ErrGone)
	require.NoError(t, <-closed)
}

func TestProfileAndProgramsComeBack(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon())
	p, err := c.Profile(t.Context(), ProfileRequest{Seconds: 2})
	require.NoError(t, err)
	assert.EqualValues(t, 2, p.Seconds)
	assert.Equal(t, map[string]int64{"EIO": 1, "EINTR": 2}, p.Operations[0].Errors)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = c.Profile(ctx, ProfileRequest{Seconds: 3600})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	programs, err := c.Programs(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 1.5, programs[0].Amplification(), 1e-9)
	assert.Zero(t, programs[1].Amplification())
}

func TestPageLinkComesBack(t *testing.T) {
	link, err := serve(t, socketDir(t), newFakeDaemon()).PageLink(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:1/?token=x", link.URL)
}

func TestDrainReportsUntilDone(t *testing.T) {
	d := newFakeDaemon(Pending{Path: "/a", Bytes: 3}, Pending{Path: "/b", Bytes: 4})
	c := serve(t, socketDir(t), d)
	var seen []Progress
	last, err := c.Drain(t.Context(), func(p Progress) {
		seen = append(seen, p)
		if len(seen) == 1 {
			d.finish(nil)
		}
	})
	require.NoError(t, err)
	assert.Equal(t, Progress{Files: 2, Bytes: 7}, seen[0])
	assert.Equal(t, Progress{Done: true}, last)
}

func TestDrainSaysWhatIsLeft(t *testing.T) {
	d := newFakeDaemon(Pending{Path: "/a", Bytes: 3})
	d.finish(errors.New("commit \"/a\": the drive is full"))
	last, err := serve(t, socketDir(t), d).Drain(t.Context(), func(Progress) {})
	require.NoError(t, err)
	assert.Equal(t, Progress{Files: 1, Bytes: 3, Done: true, Err: "commit \"/a\": the drive is full"}, last)
}

func TestDrainStopsWaitingWithItsContext(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon(Pending{Path: "/a", Bytes: 3}))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Drain(ctx, func(Progress) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseEndsADrain(t *testing.T) {
	dir := socketDir(t)
	s, err := Listen(dir, "id")
	require.NoError(t, err)
	s.Serve(newFakeDaemon(Pending{Path: "/a"}))
	c, err := Open(dir, "id")
	require.NoError(t, err)
	closed := make(chan error, 1)
	var once sync.Once
	last, err := c.Drain(t.Context(), func(Progress) {
		once.Do(func() { go func() { closed <- s.Close() }() })
	})
	require.NoError(t, <-closed)
	if err == nil {
		assert.NotEmpty(t, last.Err, "a drain that was cut short is not done")
	}
	_, err = Open(dir, "id")
	require.ErrorIs(t, err, ErrGone)
}

func TestSocketIsPrivateWhateverTheUmask(t *testing.T) {
	dir := filepath.Join(socketDir(t), "new")
	serve(t, dir, newFakeDaemon())
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "id.sock"): 0o600, filepath.Join(dir, "id.lock"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestListenRefusesWhatALivingDaemonHas(t *testing.T) {
	dir := socketDir(t)
	serve(t, dir, newFakeDaemon())
	_, err := Listen(dir, "id")
	require.ErrorIs(t, err, ErrTaken)
}

func TestListenReplacesWhatADeadDaemonLeft(t *testing.T) {
	dir := socketDir(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "id.sock"), Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	found, err := List(t.Context(), dir)
	require.NoError(t, err)
	assert.Empty(t, found)
	_, err = serve(t, dir, newFakeDaemon()).Status(t.Context())
	require.NoError(t, err)
}

func TestListFindsEveryDaemon(t *testing.T) {
	dir := socketDir(t)
	serve(t, dir, newFakeDaemon())
	found, err := List(t.Context(), dir)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, os.Getpid(), found[0].PID)
	none, err := List(t.Context(), filepath.Join(dir, "missing"))
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestForeignDirectoriesAreRefused(t *testing.T) {
	link := filepath.Join(socketDir(t), "link")
	require.NoError(t, os.Symlink(socketDir(t), link))
	_, err := Listen(link, "id")
	require.ErrorIs(t, err, ErrForeignDir, "a symbolic link")

	if os.Geteuid() != 0 {
		_, err = Listen("/", "id")
		require.ErrorIs(t, err, ErrForeignDir, "a directory of root")
		return
	}
	dir := socketDir(t)
	require.NoError(t, os.Chown(dir, 12345, 12345))
	_, err = Listen(dir, "id")
	require.ErrorIs(t, err, ErrForeignDir, "a directory of another user")
	_, err = Open(dir, "id")
	require.ErrorIs(t, err, ErrForeignDir, "a directory of another user")
}

func TestWaitExitReturnsWhenTheProcessEnds(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	c := &Client{pid: cmd.Process.Pid}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.WaitExit(ctx), context.Canceled)

	ended := make(chan error, 1)
	go func() { ended <- c.WaitExit(context.Background()) }()
	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, <-ended, "it is not waited for yet: a zombie has ended")
	cmd.Wait()
	require.NoError(t, c.WaitExit(context.Background()), "no such process")
}

func TestIDIsShortReadableAndUnique(t *testing.T) {
	for name, tc := range map[string]struct{ mountpoint, prefix string }{
		"plain":     {"/mnt/photos", "photos-"},
		"long":      {"/mnt/" + "a-very-long-directory-name", "a-very-long-dire-"},
		"odd bytes": {"/mnt/my drive\n☕", "my_drive__-"},
		"root":      {"/", "_-"},
	} {
		t.Run(name, func(t *testing.T) {
			id := ID(tc.mountpoint)
			assert.Equal(t, tc.prefix, id[:len(id)-8])
		})
	}
	assert.NotEqual(t, ID("/a/x"), ID("/b/x"))
}

func TestQueueReportsLineByLine(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon())
	var got []QueueLine
	note := func(l QueueLine) { got = append(got, l) }
	require.NoError(t, c.Queue(t.Context(), QueueRequest{Op: "export", Paths: []string{"/a", "/b"}, To: "/to"}, note))
	assert.Equal(t, []QueueLine{{Path: "/a", To: "/to"}, {Path: "/b", To: "/to"}}, got)
	require.ErrorContains(t, c.Queue(t.Context(), QueueRequest{Op: "nonsense"}, note), "queue nonsense: not known")
}

func TestPathsAreAnsweredOrRefused(t *testing.T) {
	c := serve(t, socketDir(t), newFakeDaemon())
	i, err := c.Info(t.Context(), "/a")
	require.NoError(t, err)
	assert.Equal(t, PathInfo{Path: "/a", Kind: "file"}, i)
	r, err := c.Refresh(t.Context(), "/a")
	require.NoError(t, err)
	assert.Equal(t, Refreshed{Path: "/a", Added: 2}, r)

	_, err = c.Info(t.Context(), "/missing")
	assert.Equal(t, &Refusal{Msg: "no such entry", Hint: "look elsewhere", Code: 3}, err)
	_, err = c.Refresh(t.Context(), "/missing")
	assert.Equal(t, &Refusal{Msg: "a plain error", Code: 1}, err)
}

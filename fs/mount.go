package fs

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	maxRequest   = 1 << 20  // bytes in one READ or WRITE
	maxInFlight  = 48 << 20 // bytes of request buffers go-fuse may hold
	maxBackgound = 64       // read-ahead requests the kernel may have open

	// drainTime bounds how long a mount that was taken away from outside goes on sending; the next mount sends the rest.
	drainTime = 60 * time.Second
)

// FS is one mounted file system.
type FS struct {
	opts     Options
	server   *fuse.Server
	rootNode *dirNode
	started  time.Time

	ctx    context.Context // of everything that outlives a request
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines of spawn
	closed chan struct{}  // closed when the kernel has let go and all work has ended

	paths   *pathLocks
	tree    tree
	local   *localOnly
	files   files
	dirty   dirtySet
	uploads uploads
	quota   quotaCache
	deletes deletes
	purges  purges
	feed    feed
	ahead   walkAhead
	stats   statters
	nap     nap

	requests atomic.Int64 // of the kernel that wait: those between patient and its stop
	moved    moved
	seen     *observer

	shadow sync.Once // of shadowed

	savingTree sync.Mutex // held while listings are stored; before tree.mu

	spawnMu sync.Mutex
	ending  bool        // guarded by spawnMu: no new goroutines
	drained atomic.Bool // whoever unmounts has drained before
}

// Mount shows what o.Drive holds at dir and returns when the kernel has accepted the mount.
func Mount(dir string, o Options) (*FS, error) {
	f, err := newFS(o)
	if err != nil {
		return nil, err
	}
	if err = f.serve(dir); err != nil {
		f.end()
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	f.raiseReadAhead(dir)
	f.spawn(f.retryLoop)
	f.spawn(f.evictLoop)
	if f.opts.Feed != nil && f.opts.Poll > 0 {
		f.spawn(f.feed.follow)
	}
	if f.opts.Tree != nil {
		f.spawn(f.saveLoop)
	}
	f.sendRestored()
	go f.untilUnmounted() // ends with the mount; Wait waits for it
	return f, nil
}

// serve is fusefs.Mount with the requests observed. go-fuse's goroutine of it ends with the mount, or at once when that fails.
func (f *FS) serve(dir string) (err error) {
	o := f.fuseOptions()
	f.server, err = fuse.NewServer(observed{f.seen, fusefs.NewNodeFS(f.rootNode, o)}, dir, &o.MountOptions)
	if err != nil {
		return err
	}
	go f.server.Serve()
	return f.server.WaitMount()
}

// untilUnmounted ends the file system after the kernel has let go of it. A mount that was taken
// away from outside (umount(8)) has had no chance to drain: it does so now.
func (f *FS) untilUnmounted() {
	defer close(f.closed)
	f.server.Wait()
	if !f.drained.Load() {
		ctx, cancel := context.WithTimeout(f.ctx, drainTime)
		defer cancel()
		if err := f.Drain(ctx); err != nil {
			f.opts.Log.Error("unmounted with files that are not on the drive; they stay staged", "err", err)
		}
	}
	f.end()
}

// newFS builds the file system without a kernel.
func newFS(o Options) (*FS, error) {
	o.setDefaults()
	f := &FS{opts: o, started: o.Now(), closed: make(chan struct{}), paths: newPathLocks(), seen: newObserver()}
	f.seen.log = o.Log
	f.local = newLocalOnly(o.LocalDir, o.LocalNames)
	f.purges.round = make(chan struct{}, 1)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.quota.fs, f.uploads.fs, f.deletes.fs, f.purges.fs, f.feed.fs, f.ahead.fs = f, f, f, f, f, f
	f.uploads.most = f.opts.Uploads
	f.tree.mu.Lock()
	f.tree.root = f.newInodeLocked(0, true)
	f.tree.root.ino, f.tree.root.top = 1, o.Guest == ""
	f.tree.root.listing.mtime = f.started
	f.tree.mu.Unlock()
	f.rootNode = &dirNode{n: f.tree.root}
	f.feed.first, f.tree.crowded = make(chan struct{}), make(chan struct{}, 1)
	if err := f.recallState(); err != nil {
		f.cancel()
		return nil, err
	}
	f.restore()
	return f, nil
}

// fuseOptions are what the kernel is told.
func (f *FS) fuseOptions() *fusefs.Options {
	o := &f.opts
	fo := &fusefs.Options{
		AttrTimeout:     &o.AttrTimeout,
		EntryTimeout:    &o.EntryTimeout,
		NegativeTimeout: &o.NegativeTimeout,
		UID:             o.UID,
		GID:             o.GID,
		Logger:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	fo.MountOptions = fuse.MountOptions{
		AllowOther:               o.AllowOther,
		Options:                  append([]string(nil), o.MountOptions...),
		FsName:                   o.FsName,
		Name:                     "teraboxfs",
		Debug:                    o.Debug,
		Logger:                   f.fuseLogger(),
		MaxWrite:                 maxRequest,
		MaxReadAhead:             maxRequest,
		MaxBackground:            maxBackgound,
		MaxInflightRequestBytes:  maxInFlight,
		DisableSplice:            true, // replies come from memory, where splicing is slower
		DirectMount:              true,
		DirectMountStrict:        os.Geteuid() == 0, // root needs no helper: the kernel's own answer counts
		ExplicitDataCacheControl: true,
		// The first tells open(O_TRUNC) from ftruncate. With the second, which is true of files that have no modes, the kernel
		// does not ask for security.capability before every write.
		ExtraCapabilities: fuse.CAP_ATOMIC_O_TRUNC | killPrivileges | fuse.CAP_READDIRPLUS_AUTO,
		PanicHandler:      f.recovered,
	}
	if o.DefaultPermissions {
		fo.MountOptions.Options = append(fo.MountOptions.Options, "default_permissions")
	}
	if o.ReadOnly {
		fo.MountOptions.Options = append(fo.MountOptions.Options, "ro")
	}
	return fo
}

// fuseLogger takes go-fuse's own messages: every request when debugging, else what it has to
// complain of.
func (f *FS) fuseLogger() *log.Logger {
	level := slog.LevelWarn
	if f.opts.Debug {
		level = slog.LevelDebug
	}
	return slog.NewLogLogger(f.opts.Log.Handler(), level)
}

// recovered answers EIO for a request whose handler panicked; the other files live on.
func (f *FS) recovered(reason any) fuse.Status {
	f.opts.Log.Error("bug: a request failed in a way it must not", "panic", fmt.Sprint(reason), "stack", stack())
	return fuse.EIO
}

// spawn runs body on a goroutine of the file system's, on the context that ends with it. It
// returns false, and runs nothing, when the file system is ending.
func (f *FS) spawn(body func(ctx context.Context)) bool {
	f.spawnMu.Lock()
	defer f.spawnMu.Unlock()
	if f.ending {
		return false
	}
	f.work.Add(1)
	go func() { // ends with body; end waits for it
		defer f.work.Done()
		body(f.ctx)
	}()
	return true
}

// end stops all work and waits for it.
func (f *FS) end() {
	f.spawnMu.Lock()
	f.ending = true
	f.spawnMu.Unlock()
	f.cancel()
	f.work.Wait()
	f.saveTree()
	f.keepState()
}

// Wait returns when the file system is unmounted and its goroutines have ended.
func (f *FS) Wait() { <-f.closed }

// Unmount takes the mount from the tree. It fails while files are open; nothing changes then.
// What is not committed stays staged: Drain first.
func (f *FS) Unmount() error {
	f.drained.Store(true)
	if err := f.server.Unmount(); err != nil {
		f.drained.Store(false)
		return err
	}
	f.Wait()
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/events"
	"github.com/teraboxfs/teraboxfs/internal/metrics"
	"github.com/teraboxfs/teraboxfs/internal/owndir"
	"github.com/teraboxfs/teraboxfs/internal/page"
	"github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// memoryBeside is what the process may use beside --mem-cache: code, stacks, requests of the kernel, parts
// and listings in flight. The garbage collector works harder as the sum comes near.
const memoryBeside = 80 << 20

// mounted is a session that the kernel shows.
type mounted struct {
	session    *session
	fs         *fs.FS
	cache      *blockcache.Cache
	staging    *writeback.Store // nil when read-only
	local      *os.Root         // of files that stay on this machine; nil: none do
	tree       *tree.Store      // nil: nothing is kept of the drive
	promise    string           // what close(2) means here
	stagingDir string
	control    *control.Server
	events     *events.Bus
	listeners  *listeners
	page       *page.Server    // nil: there is none
	metrics    *metrics.Server // nil: there are none
	sampler    *sampler        // nil until there is something to count
	dir        string

	env      environment
	logLevel *slog.LevelVar
	setting  sync.Mutex        // held by Set
	live     map[string]string // settings that Set can change, as they are; guarded by setting

	major   int // of the mount's device
	minor   int
	started time.Time

	work  sync.WaitGroup     // goroutines of spawn
	quit  context.CancelFunc // ends them
	until context.Context    // of theirs
}

// spawn runs body until the mount is closed; close waits for it.
func (m *mounted) spawn(body func(ctx context.Context)) { m.work.Go(func() { body(m.until) }) }

// mountSession puts the rooms together around a session and mounts it on dir. On failure nothing is
// left mounted or locked; the session stays the caller's to close. A mount that is returned owns it.
func (a *app) mountSession(sess *session, dir string) (m *mounted, err error) {
	m = &mounted{dir: dir, started: time.Now(), events: &events.Bus{Mountpoint: dir, Source: sess.name, Account: sess.login}}
	m.until, m.quit = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = fail("mount", dir, errors.Join(err, m.close()))
			m = nil
		}
	}()
	limitMemory(a.env, int64(a.memCache))
	m.env, m.logLevel, m.live = a.env, a.leastLevel, map[string]string{}
	for name := range liveSettings {
		m.live[name] = a.find(name).Value.String()
	}
	if m.control, err = control.Listen(a.runtimeDirectory(), control.ID(dir)); err != nil {
		if errors.Is(err, control.ErrTaken) {
			err = fmt.Errorf("%w: %w", errBusy, err)
		}
		return m, err
	}
	if err = a.openPage(m); err != nil {
		return m, err
	}
	if err = a.openMetrics(m); err != nil {
		return m, err
	}
	if m.cache, err = a.openCache(sess); err != nil {
		return m, err
	}
	if !a.readOnly && sess.uploader != nil {
		if err = a.openStaging(m, sess); err != nil {
			return m, err
		}
		if err = a.openLocal(m, sess); err != nil {
			return m, err
		}
	}
	options := a.fsOptions(sess)
	a.openTree(m, sess)
	options.Cache, options.Staging, options.Tree, options.Offline = m.cache, m.staging, m.tree, sess.recalled
	if sess.standing != nil {
		options.Account = sess.standing.client
	}
	m.listeners = a.openListeners(m)
	options.Tell = m.listeners.hear(dir, sess.root)
	options.Reports = m.reports(sess)
	options.LocalDir, options.LocalNames = m.local, a.localOnly
	if m.fs, err = fs.Mount(dir, options); err != nil {
		return m, mountRefused(dir, err)
	}
	if row, err := ownMount(dir); err == nil && row != nil {
		m.major, m.minor = row.Major, row.Minor
	}
	m.session, m.promise = sess, a.promise(m)
	a.followPower(m)
	if sess.standing != nil {
		sess.standing.begin(m.events)
		m.spawn(sess.standing.follow)
		if a.onEvent != "" || a.onEventURL != "" {
			m.spawn(func(ctx context.Context) { m.listeners.watchQuota(ctx, sess.drive.Quota) })
		}
	}
	m.sampler = startSampler(m.totals)
	m.control.Serve(m)
	a.servePage(m)
	if m.metrics != nil {
		m.metrics.Serve(metricsSource{m})
	}
	return m, nil
}

// readAhead is the setting as blockcache understands it, whose zero is a default.
func readAhead(s size) int64 {
	if s == 0 {
		return blockcache.NoReadAhead
	}
	return int64(s)
}

// openStaging opens the staging directory of this mount of this account. Unsent bytes of one account can
// never be found by another.
func (a *app) openStaging(m *mounted, sess *session) error {
	state, err := filepath.Abs(a.stateDirectory())
	if err != nil {
		return err
	}
	m.stagingDir = filepath.Join(state, "staging", strconv.FormatUint(uint64(sess.account.UK), 10), control.ID(m.dir))
	if err := privateDir(m.stagingDir); err != nil {
		return fmt.Errorf("staging directory: %w", err)
	}
	verify := writeback.VerifySample
	if a.rapidVerify.value == "full" {
		verify = writeback.VerifyFull
	}
	m.staging, err = writeback.Open(writeback.Config{
		Dir: m.stagingDir, Uploader: sess.uploader, Parts: a.parts.value,
		MaxFileSize: a.maxFileSize.bytesOr(sess.account.MaxFileSize),
		StagingSize: a.stagingSize.bytesOr(stagingRoom(m.stagingDir)),
		Rapid:       a.rapid.on(), RapidVerify: verify, Log: a.log.With("room", "writeback"),
	})
	if err == nil {
		a.tellOfOtherQueues(m.stagingDir)
	}
	return err
}

// openLocal opens the directory for files of this mount of this account that are never sent (--local-only).
func (a *app) openLocal(m *mounted, sess *session) error {
	if len(a.localOnly) == 0 {
		return nil
	}
	state, err := filepath.Abs(a.stateDirectory())
	if err == nil {
		m.local, err = owndir.Open(filepath.Join(state, "local", strconv.FormatUint(sess.account.UK, 10), control.ID(m.dir)))
	}
	if err != nil {
		return fmt.Errorf("directory for local files: %w", err)
	}
	return nil
}

// tellOfOtherQueues says what waits in the staging directories of the account's other mount points, which no mount serves.
func (a *app) tellOfOtherQueues(own string) {
	others, _ := filepath.Glob(filepath.Join(filepath.Dir(own), "*")) // a pattern of ours
	for _, dir := range others {
		if n := writeback.Unsent(dir); dir != own && n > 0 {
			a.log.Warn("unsent files wait for a mount at another place; mount there again to send them", "files", n, "staging", dir)
		}
	}
}

// stagingRoom is what auto means for --staging-size: the free space of the disk less a twentieth of it,
// so that unsent data never fills the disk for everybody. 0, no limit, when the disk does not say.
func stagingRoom(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0
	}
	free, reserve := int64(st.Bavail)*int64(st.Bsize), int64(st.Blocks)*int64(st.Bsize)/20
	return max(free-reserve, 64<<20)
}

// fsOptions are the settings of fs and the session's part of them.
func (a *app) fsOptions(sess *session) fs.Options {
	o := fs.Options{
		Drive: sess.drive, Fetcher: sess.fetcher, Root: sess.root,
		ReadOnly:   a.readOnly || sess.uploader == nil,
		Background: a.commit.value == "background", CloseWait: a.closeWait, Uploads: a.uploads.value,
		DirCache: a.dirCache, Feed: sess.feed, Poll: a.poll, AttrTimeout: a.attrTimeout, EntryTimeout: a.entryTimeout, NegativeTimeout: a.negativeTimeout,
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		DirMode: 0o777 &^ a.umask.bits, FileMode: 0o666 &^ a.umask.bits,
		Passthrough: a.passthrough.value == "auto" && os.Geteuid() == 0,
		AllowOther:  a.allowOther, DefaultPermissions: a.defaultPermissions, Debug: a.fuseDebug,
		FsName: sess.name, MountOptions: a.config.mountOptions, Log: a.log.With("room", "fs"),
	}
	if a.deletion.value == "purge" {
		o.Bin = sess.bin
	}
	o.Guest, o.GuestCache, o.TopCache = sess.guest, sess.below, sess.topCache
	if sess.dirCache > 0 {
		o.DirCache = sess.dirCache
	}
	if a.fsName != "" {
		o.FsName = a.fsName
	}
	if a.uid.set {
		o.UID = a.uid.id
	}
	if a.gid.set {
		o.GID = a.gid.id
	}
	if a.dirMode.set {
		o.DirMode = a.dirMode.bits
	}
	if a.fileMode.set {
		o.FileMode = a.fileMode.bits
	}
	if o.ReadOnly {
		o.DirMode, o.FileMode = o.DirMode&^0o222, o.FileMode&^0o222
	}
	return o
}

// limitMemory tells the garbage collector how much there is, unless GOMEMLIMIT does.
func limitMemory(env environment, cache int64) {
	if env.get("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cache + memoryBeside)
	}
}

func (m *mounted) readOnly() bool { return m.staging == nil }

// Drain implements control.Daemon: it returns nil when nothing is pending.
func (m *mounted) Drain(ctx context.Context) error {
	if st := m.session.standing; st != nil {
		st.lookAgain(ctx)
	}
	return m.fs.Drain(ctx)
}

// close ends everything behind a mount that the kernel has let go of, or that never came to be. The control
// socket goes last: as long as it is there, the mount is not over.
func (m *mounted) close() error {
	m.quit()
	m.work.Wait()
	if m.listeners != nil {
		m.listeners.close()
	}
	var errs []error
	if m.page != nil {
		errs = append(errs, m.page.Close())
	}
	if m.metrics != nil {
		errs = append(errs, m.metrics.Close())
	}
	if m.sampler != nil {
		m.sampler.close()
	}
	if m.staging != nil {
		errs = append(errs, m.staging.Close())
	}
	if m.local != nil {
		errs = append(errs, m.local.Close())
	}
	if m.tree != nil {
		errs = append(errs, m.tree.Close())
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close())
	}
	if m.session != nil {
		errs = append(errs, m.session.close())
	}
	if m.control != nil {
		errs = append(errs, m.control.Close())
	}
	return errors.Join(errs...)
}

// connect makes a client for a login and logs in.
func (a *app) connect(ctx context.Context, cred credential) (*remote.Client, remote.Account, error) {
	client, err := a.newClient(cred, nil)
	if err != nil {
		return nil, remote.Account{}, err
	}
	account, err := client.Login(ctx)
	if err != nil {
		return nil, account, errors.Join(err, client.Close())
	}
	return client, account, nil
}

// newClient makes a client for a login that asks nothing yet. onState, which may be nil, is told how it fares.
func (a *app) newClient(cred credential, onState func(remote.State)) (*remote.Client, error) {
	if cred.shadows != "" && !a.shadowTold {
		a.shadowTold = true
		a.log.Warn(cred.origin+" wins over "+cred.shadows, "try", "unset "+cred.origin)
	}
	dialect, err := remote.ParseDialect(a.dialect.value)
	if err != nil {
		return nil, err
	}
	watched, err := a.watched()
	if err != nil {
		return nil, err
	}
	return remote.New(remote.Config{
		Wrap:    watched,
		BaseURL: cred.baseURL, Cookie: cred.cookie.reveal(), Dialect: dialect,
		Rate: a.apiRate.RateLimit, Burst: a.apiBurst.value, ReadTimeout: a.readTimeout, Streams: blockcache.Connections(a.streams.value),
		MaxFileSize: a.maxFileSize.bytesOr(0), Log: a.log.With("room", "remote"), OnState: onState,
	})
}

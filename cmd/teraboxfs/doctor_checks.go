package main

import (
	"context"
	"errors"
	iofs "io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/writeback"
)

// checks are all that doctor looks at, in order: this machine, its directories, then the network and the login.
func (a *app) checks() []check {
	return []check{
		one("fuse", a.checkFuseDevice), one("fusermount", a.checkFusermount), one("allow-other", a.checkAllowOther), one("kernel", checkKernel),
		one("files", checkOpenFiles), {"mounts", a.checkMounts}, one("propagation", checkPropagation),
		one("state", func(context.Context) finding { return checkDirectory(a.stateDirectory(), 1<<30) }),
		one("cache", func(context.Context) finding { return checkDirectory(a.cacheDirectory(), 1<<30) }),
		{"unsent", a.checkUnsent}, one("dns", a.checkNames), one("clock", a.checkClock), one("login", a.checkLogin), one("link service", a.checkLinkService),
	}
}

func (a *app) checkFuseDevice(context.Context) finding {
	if err := checkDevice("/dev/fuse"); err != nil {
		return failingAs(err)
	}
	return pass("/dev/fuse is there and may be used")
}

func (a *app) checkFusermount(context.Context) finding {
	if a.env.uid == 0 {
		return pass("root mounts without it")
	}
	program, err := fusermount()
	if err != nil {
		return failingAs(err)
	}
	return pass("%s mounts for this user", program)
}

func (a *app) checkAllowOther(context.Context) finding {
	const conf = "/etc/fuse.conf"
	switch {
	case a.env.uid == 0:
		return pass("root may let other users in")
	case userAllowOther(conf):
		return pass("%s lets users let others in (--allow-other)", conf)
	}
	return warn("only for --allow-other: echo user_allow_other | sudo tee -a "+conf, "other users cannot be let into a mount")
}

func checkKernel(context.Context) finding {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return skip("%v", err)
	}
	return pass("%s %s", unix.ByteSliceToString(name.Sysname[:]), unix.ByteSliceToString(name.Release[:]))
}

// enoughFiles is how many files a daemon may want to have open: a staging file for each open file, and connections.
const enoughFiles = 4096

func checkOpenFiles(context.Context) finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return skip("%v", err)
	}
	if limit.Max < enoughFiles {
		return warn("raise it with ulimit -Hn, or LimitNOFILE= of a unit", "a process may open %d files at most", limit.Max)
	}
	return pass("a process may open %d files", limit.Max)
}

// checkMounts looks at the mounts of this user, dead and alive.
func (a *app) checkMounts(ctx context.Context) []finding {
	running, err := a.running(ctx)
	if err != nil {
		return []finding{failingAs(err)}
	}
	dead, err := a.deadMounts(running)
	if err != nil {
		return []finding{skip("the mount table: %v", err)}
	}
	var all []finding
	for _, dir := range dead {
		all = append(all, failing("teraboxfs umount "+dir, "%s: its process is gone", dir))
	}
	for _, s := range running {
		if s.Version != versionText() {
			all = append(all, warn("unmount and mount it when that suits", "%s is served by version %s, this is %s", s.Mountpoint, s.Version, versionText()))
		}
	}
	if len(all) == 0 {
		all = append(all, pass("%d mounted, none of them dead", len(running)))
	}
	return all
}

// checkPropagation tells whether mounts made here are seen outside of a container.
func checkPropagation(context.Context) finding {
	if !inContainer() {
		return pass("not in a container")
	}
	rows, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter("/"))
	if err != nil || len(rows) == 0 {
		return skip("the mount table cannot be read")
	}
	shared, err := mountinfo.GetMounts(func(m *mountinfo.Info) (bool, bool) { return !strings.Contains(m.Optional, "shared:"), false })
	if err == nil && len(shared) > 0 {
		return pass("in a container, with a directory that shares its mounts: %s", shared[0].Mountpoint)
	}
	return warn("give the container a volume with rshared (docker -v /DIR:/DIR:rshared; Kubernetes mountPropagation: Bidirectional)",
		"in a container none of whose directories shares its mounts: nobody outside sees them")
}

func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" || os.Getenv("container") != ""
}

// networkDisks are file systems that other machines have a part in, by their magic numbers (statfs(2)).
var networkDisks = map[int64]string{0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x65735546: "FUSE"}

// checkDirectory looks at a directory of ours, or where it will be made.
func checkDirectory(dir string, least uint64) finding {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return failingAs(err)
	}
	there := abs
	info, err := os.Stat(there)
	for errors.Is(err, iofs.ErrNotExist) && there != "/" {
		there = filepath.Dir(there)
		info, err = os.Stat(there)
	}
	if err != nil {
		return failing("check its owner and mode", "%s: %v", there, withoutPath(err))
	}
	if err := unix.Access(there, unix.W_OK|unix.X_OK); err != nil {
		return failing("check its owner and mode", "%s cannot be written: %v", there, err)
	}
	if there == abs && info.Mode().Perm()&0o077 != 0 {
		return failing("chmod 700 "+abs, "%s is open to other users", abs)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(there, &st); err != nil {
		return skip("%s: %v", there, err)
	}
	if kind := networkDisks[int64(uint32(st.Type))]; kind != "" {
		return warn("put it on a disk of this machine: locks and syncs are not sure there", "%s is on %s", abs, kind)
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	if free < least {
		return warn("free some space", "%s: %s are free", abs, bytesText(int64(free)))
	}
	return pass("%s: %s are free", abs, bytesText(int64(free)))
}

// checkUnsent looks for files that no running mount will send.
func (a *app) checkUnsent(ctx context.Context) []finding {
	running, err := a.running(ctx)
	if err != nil {
		return []finding{skip("%v", err)}
	}
	served := map[string]bool{}
	for _, s := range running {
		served[s.ID] = true
	}
	var all []finding
	dirs, _ := filepath.Glob(filepath.Join(a.stateDirectory(), "staging", "*", "*")) // a pattern of ours
	for _, dir := range dirs {
		if n := writeback.Unsent(dir); n > 0 && !served[filepath.Base(dir)] {
			all = append(all, warn("mount again where it was mounted; the name of the directory begins with that of the mount point", "%d unsent files wait in %s", n, dir))
		}
	}
	if len(all) == 0 {
		all = append(all, pass("nothing waits that no mount will send"))
	}
	return all
}

// lookTime bounds what the checks of the network wait for.
const lookTime = 10 * time.Second

// base is where the login says that the service is.
func (a *app) base() string {
	if cred, err := a.credential(a.account); err == nil {
		return cred.baseURL
	}
	return a.baseURL
}

func (a *app) checkNames(ctx context.Context) finding {
	u, err := url.Parse(a.base())
	if err != nil {
		return failing("check --base-url", "%v", err)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return pass("%s needs no name service", u.Hostname())
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return failing("check the network and /etc/resolv.conf", "%s has no address: %v", u.Hostname(), err)
	}
	for _, ip := range found {
		if ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			return failing("open a page in a browser: this network may want you to sign in; or a filter stands between", "%s is said to be at %s, an address of a private network", u.Hostname(), ip)
		}
	}
	return pass("%s is at %s", u.Hostname(), found[0])
}

// mostSkew is how far a clock may be off: signatures of the link service are refused beyond five minutes.
const mostSkew = 2 * time.Minute

func (a *app) checkClock(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, a.base(), nil)
	if err != nil {
		return failing("check --base-url", "%v", err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return skip("the service cannot be asked: %v", withoutURL(err))
	}
	res.Body.Close()
	then, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return skip("the service does not say what time it is")
	}
	off := time.Since(then).Round(time.Second)
	if off.Abs() > mostSkew {
		return failing("set it: timedatectl set-ntp true", "this machine's clock is %v off", off)
	}
	return pass("it is as the service's, to %v", max(off.Abs(), time.Second))
}

// withoutURL is the cause of an error of net/http.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (a *app) checkLogin(ctx context.Context) finding {
	cred, err := a.credential(a.account)
	if err != nil {
		return failingAs(err)
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	client, account, err := a.connect(ctx, cred)
	if err != nil {
		return failingAs(err)
	}
	defer client.Close()
	return pass("%s is taken: plan %s, files up to %s", cred.account, newIdentity(cred, account).Plan, bytesText(account.MaxFileSize))
}

func (a *app) checkLinkService(context.Context) finding {
	keys, err := a.apiKeys()
	switch {
	case err != nil && !errors.Is(err, errNoKeys):
		return failingAs(err)
	case err != nil || keys.key.reveal() == "":
		return skip("no key: only needed for share links that the login cannot resolve")
	case keys.stale != "":
		return warn("take "+keys.stale+" out of the environment", "the key in the environment was replaced by a newer one")
	}
	return pass("there is a key; 'teraboxfs teraboxdl account' tries it")
}

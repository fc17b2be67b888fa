package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// settings is everything that can be set, after every layer of configuration has spoken. One row of
// settingsTable fills each field; a command sees the rows it serves as its flags.
type settings struct {
	// source
	baseURL      string
	teraboxdlURL string
	dailyReserve bounded
	resolver     choice
	sharesDir    string
	account      string
	readOnly     bool
	mkdir        bool
	protect      bool
	dialect      choice

	// cache
	cacheDir     string
	cacheSize    optionalSize
	cacheMinFree portion

	// read
	memCache    size
	streams     bounded
	readAhead   size
	readTimeout time.Duration
	passthrough choice

	// write
	stateDir    string
	commit      choice
	closeWait   time.Duration
	uploads     bounded
	parts       bounded
	stagingSize optionalSize
	rapid       choice
	rapidVerify choice
	maxFileSize optionalSize
	deletion    choice
	metered     choice
	localOnly   globs

	// meta
	dirCache, attrTimeout, entryTimeout, negativeTimeout, poll time.Duration

	// fuse
	allowOther, defaultPermissions, fuseDebug bool
	uid, gid                                  owner
	umask, dirMode, fileMode                  mode

	// limits
	apiRate  rate
	apiBurst bounded

	// ops
	http                httpAddress
	metrics             metricsAddress
	onEvent, onEventURL string
	logLevel, logFormat choice
	logFile             string
	traceHTTP           string

	// global
	color, progress choice
	json, noInput   bool

	// mountOptions are the -o options that go to the kernel as they are; nonEmpty and fsName, what the mount table calls the
	// source ("": its own name), are set by the options of those names. They have no row: only -o can give them.
	mountOptions []string
	nonEmpty     bool
	fsName       string
}

const (
	defaultBaseURL      = "https://www.terabox.com"
	defaultTeraboxdlURL = "https://api.teraboxdl.site"
)

// row is one setting: the flag that carries its name, default, help and value, and the group of
// commands that serve it.
type row struct {
	group string
	flag  *pflag.Flag
}

// Groups of settings. A command offers whole groups, so that a flag which does nothing cannot be
// offered by accident.
const (
	groupGlobal   = "global"   // every command
	groupSession  = "session"  // whatever talks to the service
	groupTransfer = "transfer" // whatever moves files, a mount too
	groupMount    = "mount"    // mount and demo
	groupLink     = "link"     // whatever talks to the link service
	groupSource   = "source"   // mount alone: demo brings its own source
)

// settingsTable binds every setting to its field of s, sets the defaults and returns the rows in the
// order of the help page.
func settingsTable(s *settings) []row {
	var rows []row
	add := func(group string, define func(*pflag.FlagSet)) {
		fs := pflag.NewFlagSet(group, pflag.ContinueOnError)
		fs.SortFlags = false
		define(fs)
		fs.VisitAll(func(f *pflag.Flag) { rows = append(rows, row{group, f}) })
	}
	add(groupSource, s.sourceRows)
	add(groupLink, s.linkRows)
	add(groupSession, s.sessionRows)
	add(groupMount, s.cacheRows)
	add(groupTransfer, s.transferRows)
	add(groupMount, s.readRows)
	add(groupMount, s.writeRows)
	add(groupMount, s.metaRows)
	add(groupMount, s.fuseRows)
	add(groupMount, s.opsRows)
	add(groupGlobal, s.globalRows)
	return rows
}

func (s *settings) sourceRows(fs *pflag.FlagSet) {
	fs.Var(newBounded(&s.dailyReserve, 0, 0, 1<<30), "daily-reserve", "requests of the link service's day that a mount leaves alone")
	fs.Var(newChoice(&s.resolver, "auto", "teraboxdl", "native"), "resolver", "who says what a share link leads to: the paid link service or the service with your login; auto is the latter where it can")
	fs.StringVar(&s.sharesDir, "shares-dir", "", "show the saved shares in a directory of this name in the root of a drive")
	fs.BoolVar(&s.readOnly, "read-only", false, "refuse every change")
	fs.BoolVar(&s.mkdir, "mkdir", false, "create the mount point when it is missing; while nothing is mounted there it lets nobody in")
	fs.BoolVar(&s.protect, "protect", false, "close the mount point for the time when nothing is mounted there; as root it is made immutable (chattr +i)")
}

func (s *settings) linkRows(fs *pflag.FlagSet) {
	fs.StringVar(&s.teraboxdlURL, "teraboxdl-url", defaultTeraboxdlURL, "link service that resolves share links")
}

func (s *settings) sessionRows(fs *pflag.FlagSet) {
	fs.StringVar(&s.baseURL, "base-url", defaultBaseURL, "where the service is")
	fs.Var(newChoice(&s.dialect, "auto", "xpan", "web"), "api-dialect", "spelling of the upload calls")
	fs.Var(&s.apiRate, "api-rate", "pace of API calls; data is never paced")
	fs.Var(newBounded(&s.apiBurst, 10, 1, 1000), "api-burst", "API calls that may go at once before the pace holds")
}

func (s *settings) transferRows(fs *pflag.FlagSet) {
	s.maxFileSize.size = autoSize
	fs.Var(newBounded(&s.streams, 4, 1, 64), "streams", "connections that bring file data at a time, for the whole process; half as many more may wait for an answer")
	fs.DurationVar(&s.readTimeout, "read-timeout", 60*time.Second, "how long a read tries before it fails")
	fs.StringVar(&s.stateDir, "state-dir", "", "where unsent data is kept (default $XDG_STATE_HOME/teraboxfs)")
	fs.Var(newBounded(&s.uploads, 4, 1, 64), "uploads", "files sent at a time that no close() waits for")
	fs.Var(newBounded(&s.parts, 4, 1, 64), "parts", "upload parts in flight, for the whole process")
	fs.Var(newChoice(&s.rapid, "on", "off"), "rapid", "let the service take content it knows without an upload")
	fs.Var(newChoice(&s.rapidVerify, "sample", "full"), "rapid-verify", "how much of such a file is read back before it is believed")
	fs.Var(&s.maxFileSize, "max-file-size", "largest file to accept; auto is the plan's limit")
}

func (s *settings) cacheRows(fs *pflag.FlagSet) {
	s.cacheSize.size, s.cacheMinFree, s.memCache = autoSize, portion{percent: 5}, 128<<20
	fs.StringVar(&s.cacheDir, "cache-dir", "", "where file data is cached on disk (default $XDG_CACHE_HOME/teraboxfs)")
	fs.Var(&s.cacheSize, "cache-size", "most file data kept there; 0 keeps none, auto is 10 % of that disk and 100G at most")
	fs.Var(&s.cacheMinFree, "cache-min-free", "what stays free on that disk")
	fs.Var(&s.memCache, "mem-cache", "memory for file data, cached and in flight")
}

func (s *settings) readRows(fs *pflag.FlagSet) {
	s.readAhead = 32 << 20
	fs.Var(&s.readAhead, "read-ahead", "most bytes fetched ahead of a sequential reader")
	fs.Var(newChoice(&s.passthrough, "auto", "off"), "passthrough", "let the kernel read complete cached files itself, where it can (root)")
}

func (s *settings) writeRows(fs *pflag.FlagSet) {
	s.localOnly = globs{".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".Trash-*"}
	fs.Var(newChoice(&s.commit, "close", "background"), "commit", "what close() waits for: close is the drive, background this disk")
	fs.DurationVar(&s.closeWait, "close-wait", 0, "how long close() waits for the drive before this disk will do; 0 is without bound")
	s.stagingSize.size = autoSize
	fs.Var(&s.stagingSize, "staging-size", "most unsent bytes kept on disk; auto is the free space less a reserve")
	fs.Var(newChoice(&s.deletion, "trash", "purge"), "delete", "where a file goes that is deleted in the mount: the service's recycle bin, or out of that too, for good")
	fs.Var(newChoice(&s.metered, "pause-uploads", "ignore"), "metered", "what becomes of uploads that no program waits for while NetworkManager says that the connection is paid by volume")
	fs.Var(&s.localOnly, "local-only", "names of files and directories that stay on this machine: patterns between spaces; \"\" is none")
}

func (s *settings) metaRows(fs *pflag.FlagSet) {
	fs.DurationVar(&s.poll, "poll", time.Minute, "how soon changes made elsewhere show; 0 is when listings run out")
	fs.DurationVar(&s.dirCache, "dir-cache", 5*time.Minute, "how long a listing serves; 0 is never")
	fs.DurationVar(&s.attrTimeout, "attr-timeout", time.Second, "how long the kernel keeps attributes; 0 is never")
	fs.DurationVar(&s.entryTimeout, "entry-timeout", time.Second, "how long the kernel keeps names; 0 is never")
	fs.DurationVar(&s.negativeTimeout, "negative-timeout", 5*time.Second, "how long the kernel keeps that a name is absent; 0 is never")
}

func (s *settings) fuseRows(fs *pflag.FlagSet) {
	fs.BoolVar(&s.allowOther, "allow-other", false, "let other users in; implies --default-permissions")
	fs.BoolVar(&s.defaultPermissions, "default-permissions", false, "let the kernel check modes and owners")
	fs.Var(&s.uid, "uid", "owner of every entry (default yours)")
	fs.Var(&s.gid, "gid", "group of every entry (default yours)")
	s.umask = mode{bits: 0o022, set: true}
	fs.Var(&s.umask, "umask", "permission bits taken from every entry")
	fs.Var(&s.dirMode, "dir-mode", "permission bits of directories, in place of 777 less the umask")
	fs.Var(&s.fileMode, "file-mode", "permission bits of files, in place of 666 less the umask")
	fs.BoolVar(&s.fuseDebug, "fuse-debug", false, "log every request of the kernel")
}

func (s *settings) opsRows(fs *pflag.FlagSet) {
	fs.Var(&s.http, "http", "where the status page is, for this machine alone")
	fs.Var(&s.metrics, "metrics", "where /metrics (for Prometheus), /healthz and /readyz are; no names and no control, so that others may be let in")
	fs.StringVar(&s.onEvent, "on-event", "", "run this line of shell for every event, with its JSON on standard input and its kind in $TERABOXFS_EVENT")
	fs.StringVar(&s.onEventURL, "on-event-url", "", "post every event as JSON to this address")
}

func (s *settings) globalRows(fs *pflag.FlagSet) {
	fs.StringVar(&s.account, "account", "", "which login to use")
	fs.Var(newChoice(&s.logLevel, "info", "debug", "warn", "error"), "log-level", "least level that is logged")
	fs.StringVar(&s.logFile, "log-file", "", "append the log to this file")
	fs.Var(newChoice(&s.logFormat, "auto", "text", "json"), "log-format", "shape of the log")
	fs.StringVar(&s.traceHTTP, "trace-http", "", "write what is asked of the service and answered to this file, without secrets, for a bug report")
	fs.BoolVar(&s.json, "json", false, "print JSON")
	fs.Var(newChoice(&s.color, "auto", "always", "never"), "color", "colour the output")
	fs.Var(newChoice(&s.progress, "auto", "on", "off"), "progress", "show progress bars")
	fs.BoolVar(&s.noInput, "no-input", false, "never ask anything")
}

// newChoice makes c a choice among first, its default, and others.
func newChoice(c *choice, first string, others ...string) *choice {
	*c = choice{value: first, allowed: append([]string{first}, others...)}
	return c
}

func newBounded(b *bounded, value, low, high int) *bounded {
	*b = bounded{value: value, low: low, high: high}
	return b
}

// check looks at what no single value can show, and settles what follows from other settings.
func (s *settings) check() error {
	for _, u := range []struct{ name, value string }{{"base-url", s.baseURL}, {"teraboxdl-url", s.teraboxdlURL}, {"on-event-url", s.onEventURL}} {
		if u.value == "" && u.name == "on-event-url" {
			continue
		}
		parsed, err := url.Parse(u.value)
		if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
			shown := strconv.Quote(u.value)
			if u.name == "on-event-url" { // which may hold a token
				shown = "it"
			}
			return badSetting("--"+u.name, "write it as https://HOST", "%s is not an http or https address", shown)
		}
	}
	if s.memCache < 16<<20 {
		return badSetting("--mem-cache", "16M is the least, 128M the default", "%s is too little to work with", &s.memCache)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"poll", s.poll}, {"dir-cache", s.dirCache}, {"attr-timeout", s.attrTimeout}, {"entry-timeout", s.entryTimeout},
		{"negative-timeout", s.negativeTimeout}, {"read-timeout", s.readTimeout - 1}, {"close-wait", s.closeWait},
	} {
		if d.value < 0 {
			return badSetting("--"+d.name, "give a time like 5m or 30s", "the time is too short")
		}
	}
	// Who lets other users in and leaves the checks to nobody gives them everything.
	s.defaultPermissions = s.defaultPermissions || s.allowOther
	return nil
}

// badSetting is a usage failure about one setting, named as the user wrote it.
func badSetting(name, hint, format string, args ...any) error {
	return usage("setting", name, hint, format, args...)
}

//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// oddNames are names a program may ask for. Those with must set work, within the rules of docs/protocol.md 5.3 or in another spelling;
// of the others each either works or gets a clear errno.
var oddNames = []struct {
	what, name string
	must       bool
}{
	{"plain", "plain", true},
	{"spaces inside", "two  spaces inside", true},
	{"accents", "äöü ñ é", true},
	{"CJK", "日本語のファイル", true},
	{"decomposed", "e\u0301", true},
	{"plus, percent, ampersand", "a+b%20c&d=e#f;g", true},
	{"quotes and dollar", "it's $HOME `x` {y} [z] ~!@^", true},
	{"leading dot", ".hidden", true},
	{"dots inside", "a..b...c", true},
	{"leading dash", "-rf", true},
	{"255 bytes", strings.Repeat("x", 255), true},
	{"255 bytes of CJK", strings.Repeat("日", 85), true},

	{"256 bytes", strings.Repeat("x", 256), false},
	{"258 bytes of CJK", strings.Repeat("日", 86), false},
	{"emoji", "party 🎉", true},
	{"backslash", `back\slash`, true},
	{"colon", "c:colon", true},
	{"asterisk", "star*", true},
	{"question mark", "what?", true},
	{"double quote", `say "hi"`, true},
	{"less than", "a<b", true},
	{"greater than", "a>b", true},
	{"bar", "a|b", true},
	{"newline", "two\nlines", true},
	{"tab", "a\tb", true},
	{"escape sequence", "\x1b[31mred", true},
	{"DEL", "a\x7fb", true},
	{"leading space", " leading", true},
	{"trailing space", "trailing ", true},
	{"trailing dot", "trailing.", true},
	{"three dots", "...", true},
	{"only a space", " ", true},
	{"not UTF-8", "latin1 \xe9", true},
	{"zero-width", "zero\u200bwidth", true},
	{"right-to-left override", "abc\u202etxt.exe", true},
	{"substitutes that stand for themselves", "full：width␠and‛quote．", true},
	{"as long as it may be in the service's spelling", strings.Repeat(":", 85), true},
	{"longer in the service's spelling", strings.Repeat(":", 86), false},
}

// clearErrnos are what a program understands as "not this name".
var clearErrnos = []error{syscall.EINVAL, syscall.ENAMETOOLONG, syscall.EILSEQ}

// TestOddNames creates files and directories of odd names, and renames to them. What works is there on a second machine under
// the same name; what does not leaves nothing.
func TestOddNames(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m, other := mount(t, emu), viewer(t, emu)
	for i, tc := range oddNames {
		t.Run(tc.what, func(t *testing.T) {
			dir := fmt.Sprintf("d%d", i)
			require.NoError(t, os.Mkdir(m.Path(dir), 0o755))
			want := map[string]string{}
			want["file"] = tryName(t, tc.must, func() error {
				return os.WriteFile(m.Path(dir, tc.name), []byte("content"), 0o644)
			}, func() error { return os.Rename(m.Path(dir, tc.name), m.Path(dir, "file")) })
			want["dir"] = tryName(t, tc.must, func() error {
				return os.Mkdir(m.Path(dir, tc.name), 0o755)
			}, func() error { return os.Rename(m.Path(dir, tc.name), m.Path(dir, "dir")) })
			require.NoError(t, os.WriteFile(m.Path(dir, "source"), []byte("content"), 0o644))
			renamed := tryName(t, tc.must, func() error { return os.Rename(m.Path(dir, "source"), m.Path(dir, tc.name)) }, nil)

			names := []string{"source"}
			if renamed == "works" {
				names = []string{tc.name}
				requireFile(t, m.Path(dir, tc.name), []byte("content"))
				requireFile(t, other.Path(dir, tc.name), []byte("content"))
			} else {
				requireFile(t, m.Path(dir, "source"), []byte("content"))
			}
			for name, outcome := range want {
				require.Equal(t, renamed, outcome, "create, mkdir and rename agree")
				if outcome == "works" {
					names = append(names, name)
				}
			}
			for where, root := range map[string]string{"the mount": m.Path(dir), "a second machine": other.Path(dir)} {
				require.ElementsMatch(t, names, list(t, root), where)
			}
		})
	}
}

// TestStoredNames: what the service refuses is stored in another spelling, the same for every machine, and names that somebody stored
// in a spelling of his own can be read, changed, renamed and deleted.
func TestStoredNames(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.MkdirAll(m.Path("a:b", "c?"), 0o755))
	require.NoError(t, os.WriteFile(m.Path("a:b", "c?", "party 🎉."), []byte("x"), 0o644))
	requireOnDrive(t, emu, "/a：b/c？/party ‛{1f389}．", []byte("x"))
	require.NoError(t, os.Rename(m.Path("a:b"), m.Path("d|")))
	requireOnDrive(t, emu, "/d｜/c？/party ‛{1f389}．", []byte("x"))

	emu.put("/raw 🎉", []byte("from before it was refused"))
	m = m.Remount(emu)
	requireFile(t, m.Path("raw 🎉"), []byte("from before it was refused"))
	for i, name := range []string{"quoted ‛ alone", "dir/‛ inside"} {
		emu.put("/"+name, []byte("old"))
		requireFile(t, viewer(t, emu).Path(name), []byte("old"))
		again := m.Remount(emu)
		m = again
		_, err := os.ReadDir(filepath.Dir(m.Path(name)))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(m.Path(name), []byte("new"), 0o644))
		requireOnDrive(t, emu, "/"+name, []byte("new"))
		require.NoError(t, os.Rename(m.Path(name), m.Path(fmt.Sprint("renamed", i))))
		require.NoError(t, absent(emu, "/"+name))
	}
	m.Unmount()
}

// tryName runs an operation on an odd name and, where it worked, the one that clears the name again. It returns "works" or the
// errno, which has to be a clear one.
func tryName(t *testing.T, must bool, op, undo func() error) string {
	t.Helper()
	err := op()
	if err == nil {
		if undo != nil {
			require.NoError(t, undo())
		}
		return "works"
	}
	require.False(t, must, "a name within every rule: %v", err)
	require.True(t, errorIsAny(err, clearErrnos...), "not a clear errno: %v", err)
	var errno syscall.Errno
	require.ErrorAs(t, err, &errno)
	return errno.Error()
}

// list returns the names in a directory.
func list(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestNamesThatDifferInCase: the second of two names that differ in case only is a file of its own, or gets an errno; it never
// replaces the first.
func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("README"), []byte("upper"), 0o644))
	err := os.WriteFile(m.Path("readme"), []byte("lower"), 0o644)
	requireFile(t, m.Path("README"), []byte("upper"))
	requireOnDrive(t, emu, "/README", []byte("upper"))
	if err != nil {
		require.True(t, errorIsAny(err, syscall.EEXIST, syscall.EINVAL), "%v", err)
		return
	}
	requireFile(t, m.Path("readme"), []byte("lower"))
	requireOnDrive(t, emu, "/readme", []byte("lower"))
	require.NoError(t, os.Rename(m.Path("README"), m.Path("Readme")))
	require.ElementsMatch(t, []string{"Readme", "readme"}, list(t, m.Dir))
	requireFile(t, viewer(t, emu).Path("Readme"), []byte("upper"))
}

// hostileEntries are what a listing of /hostile might hold if the service, or someone on the way, meant harm. Only those whose
// names shown says may be seen in a mount, and these are seen.
func hostileEntries() (entries []map[string]any, shown []string) {
	add := func(show bool, path, name string, more map[string]any) {
		e := map[string]any{
			"fs_id": 4000 + len(entries), "path": path, "server_filename": name, "isdir": 0, "size": 5,
			"md5": "5d41402abc4b2a76b9719d911017c592", "server_mtime": 1700000000, "local_mtime": 1700000000, "category": 6,
		}
		for key, value := range more {
			e[key] = value
		}
		entries = append(entries, e)
		if show {
			shown = append(shown, name)
		}
	}
	for _, name := range []string{"good.txt", "zz last.txt"} {
		add(true, "/hostile/"+name, name, nil)
	}
	for _, name := range []string{
		"", ".", "..", "../up", "../../../../etc/passwd", "a/../../etc", "/etc/passwd", "sub/file", "/", "//", "./x",
		"nul\x00name", "\x00", strings.Repeat("x", 256), strings.Repeat("y", 5000), strings.Repeat("日", 90),
	} {
		add(false, "/hostile/"+name, name, nil)
		add(false, "/hostile/"+name, name, map[string]any{"isdir": 1, "size": 0})
	}
	add(false, "/elsewhere/stray", "stray", nil)
	add(false, "/etc/cron.d/job", "job", nil)
	add(false, "/hostile/deeper/nested", "nested", nil)
	add(false, "/hostile/negative", "negative", map[string]any{"size": -1})
	add(false, "/hostile/huge", "huge", map[string]any{"size": json.Number("18446744073709551616")})
	add(false, "/hostile/float", "float", map[string]any{"size": json.Number("1e400")})
	add(false, "/hostile/null name", "null name", map[string]any{"server_filename": nil, "path": nil})
	add(true, "/hostile/array name", "array name", map[string]any{"server_filename": []string{"a"}})
	for _, name := range []string{
		"\x1b[31mred\x1b[0m", "two\nlines", "carriage\rreturn", "bell\a", "-rf", "--help", "$(reboot)", "`id`", "; rm -rf x",
		"%s%n", "<script>alert(1)<script>", "\u202egnp.exe", "quote\"s'", "~", "*", " ", "trailing ", "back\\slash",
	} {
		add(true, "/hostile/"+name, name, nil)
	}
	return entries, shown
}

// TestHostileListing mounts a drive whose listing of one directory means harm. The good neighbours are there, nothing points
// out of the directory, and programs walk over it.
func TestHostileListing(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/hostile/.keep", nil)
	entries, shown := hostileEntries()
	serveListing(t, emu, "/hostile", entries)
	m := mount(t, emu)

	names := list(t, m.Path("hostile"))
	require.Positive(t, emu.faults()[0].Fired, "the hostile listing was never given")
	require.Subset(t, names, shown)
	for _, name := range names {
		require.Contains(t, shown, name, "a name that should be hidden")
		st, err := os.Lstat(m.Path("hostile") + "/" + name) // not Join, which would clean it
		require.NoError(t, err, "%q is listed", name)
		require.Zero(t, st.Mode()&(os.ModeSymlink|os.ModeDevice|os.ModeSetuid), "%q: %v", name, st.Mode())
		require.GreaterOrEqual(t, st.Size(), int64(0))
	}
	for _, name := range []string{"stray", "job", "nested", "negative", "huge", "up", "passwd", "sub"} {
		require.ErrorIs(t, unix.Access(m.Path("hostile", name), unix.F_OK), unix.ENOENT, name)
	}
	require.ErrorIs(t, unix.Access(m.Path("hostile", strings.Repeat("x", 256)), unix.F_OK), unix.ENAMETOOLONG)
	requireNoEscape(t, m)
	require.NotContains(t, m.proc.stderr(), "\x1b[31m", "names in the log are escaped")
	require.NotContains(t, m.proc.stderr(), "two\nlines", "names in the log are escaped")
}

// serveListing makes the emulator answer the listing of a directory with these entries.
func serveListing(t testing.TB, emu *Emulator, dir string, entries []map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"errno": 0, "list": entries, "request_id": 1})
	require.NoError(t, err)
	header := map[string]string{"Content-Type": "application/json"}
	emu.setFaults(
		fault{Endpoint: "list", Match: map[string]string{"dir": dir, "page": "1"}, Action: "status", Status: 200, Header: header, Body: string(body)},
		fault{Endpoint: "list", Match: map[string]string{"dir": dir}, Action: "status", Status: 200, Header: header, Body: `{"errno":0,"list":[]}`},
	)
}

// requireNoEscape walks the hostile directory as programs do, and looks for anything outside it.
func requireNoEscape(t *testing.T, m *Mount) {
	t.Helper()
	err := filepath.WalkDir(m.Path("hostile"), func(path string, _ iofs.DirEntry, err error) error {
		if rel, relErr := filepath.Rel(m.Path("hostile"), path); relErr != nil || strings.HasPrefix(rel, "..") {
			return fmt.Errorf("%q is outside", path)
		}
		return err
	})
	require.NoError(t, err)
	must(t, m.Dir, "find", "hostile", "-ls")
	must(t, m.Dir, "find", "hostile", "-maxdepth", "2", "-name", "*x*", "-print0")
	must(t, m.Dir, "ls", "-laR", "hostile")
	must(t, m.Dir, "du", "-a", "--apparent-size", "hostile")
	if _, err := os.Stat("/usr/bin/rsync"); err == nil {
		must(t, m.Dir, "rsync", "-r", "--list-only", "hostile/")
	}
	require.ElementsMatch(t, []string{"hostile"}, list(t, m.Dir))
	for _, sub := range []string{"cache", "state", "config", "tmp"} {
		err := filepath.WalkDir(filepath.Join(m.home.dir, sub), func(path string, _ iofs.DirEntry, err error) error {
			for _, bad := range []string{"passwd", "cron.d", "stray"} {
				if strings.Contains(filepath.Base(path), bad) {
					return fmt.Errorf("%s was made from a name of the service", path)
				}
			}
			return err
		})
		require.NoError(t, err)
	}
}

// TestEqualNamesInOneListing: of entries with one name every reading shows the same, each name once.
func TestEqualNamesInOneListing(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/hostile/.keep", nil)
	entry := func(id, dir int) map[string]any {
		return map[string]any{
			"fs_id": id, "path": "/hostile/twin", "server_filename": "twin", "isdir": dir, "size": id, "server_mtime": 1700000000,
		}
	}
	serveListing(t, emu, "/hostile", []map[string]any{entry(11, 0), entry(12, 0), entry(13, 1), entry(11, 0)})
	m := mount(t, emu, "--dir-cache=1ms", "--attr-timeout=0", "--entry-timeout=0") // 0 would ask for each name by itself
	first := list(t, m.Path("hostile"))
	require.Contains(t, first, "twin")
	require.Len(t, slices.Compact(slices.Clone(first)), len(first), "a name twice: %q", first) // os.ReadDir sorts
	size := func() string {
		st, err := os.Lstat(m.Path("hostile", "twin"))
		require.NoError(t, err)
		return fmt.Sprint(st.Size(), st.IsDir())
	}
	want := size()
	for range 5 {
		require.Equal(t, first, list(t, m.Path("hostile")))
		require.Equal(t, want, size())
	}
}

// TestListingThatFails: a listing the service does not give is an error, never an empty directory: rsync --delete would believe it.
func TestListingThatFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		rule fault
	}{
		{"errno -7", fault{Action: "errno", Errno: -7}},
		{"no list in the answer", fault{Action: "status", Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"errno":0}`}},
		{"HTML", fault{Action: "html"}},
		{"garbage", fault{Action: "garbage"}},
		{"gzip bomb", fault{Action: "gzip-bomb"}},
		{"refused", fault{Action: "status", Status: 403}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			emu.put("/dir/file", []byte("x"))
			m := mount(t, emu)
			tc.rule.Endpoint, tc.rule.Match = "list", map[string]string{"dir": "/dir"}
			emu.setFaults(tc.rule)
			entries, err := os.ReadDir(m.Path("dir"))
			emu.requireFired()
			require.Error(t, err, "%d entries", len(entries))

			emu.setFaults()
			eventually(t, 30*time.Second, "the listing comes back", func() error {
				if got, err := os.ReadDir(m.Path("dir")); err != nil || len(got) != 1 {
					return errors.Join(err, fmt.Errorf("%d entries", len(got)))
				}
				return nil
			})
		})
	}
}

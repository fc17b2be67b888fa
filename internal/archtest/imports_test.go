package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/teraboxfs/teraboxfs"

// gofuse is the prefix of everything that speaks FUSE.
const gofuse = "github.com/hanwen/go-fuse"

// rule says what one room, and the packages below it, may not import. A pattern is a package of this
// module ("./fs"), or an import path; it covers the packages below it. Except allows some of
// them again.
type rule struct {
	room   string
	never  []string
	except []string
	why    string
}

var rules = []rule{
	{
		room:   "./remote",
		never:  []string{".", gofuse},
		except: []string{"./remote", "./internal/measure", "./internal/netguard"},
		why:    "the wire knows nothing of what is built on it",
	},
	{
		room:  "./blockcache",
		never: []string{"./remote", "./writeback", "./fs", "./emulator", "./cmd", "./internal/control", "net/http", gofuse},
		why:   "bytes come through a Fetcher, wherever they are from",
	},
	{
		room:  "./writeback",
		never: []string{"./fs", "./blockcache", "./emulator", "./cmd", "./internal/control", "net/http", gofuse},
		why:   "it sends through an Uploader, and of remote it uses value types only",
	},
	{
		room:  "./fs",
		never: []string{"net/http", "encoding/json", "./emulator", "./cmd", "./internal/control"},
		why:   "it speaks FUSE and errno, and no protocol of the service",
	},
	{
		room:   "./shares",
		never:  []string{".", "net/http", gofuse},
		except: []string{"./shares", "./internal/checked"},
		why:    "it keeps what was saved; what it is used for is the command's affair",
	},
	{
		room:  "./transfer",
		never: []string{"./fs", "./blockcache", "./emulator", "./cmd", "./internal/control", "net/http", gofuse},
		why:   "it copies through a Source and a Sender; of remote it uses value types only",
	},
	{
		room:  "./probe",
		never: []string{"./fs", "./blockcache", "./writeback", "./transfer", "./emulator", "./cmd", "./internal", "net/http", gofuse},
		why:   "it asks through a Service, past everything that would mend an answer",
	},
	{
		room:   "./emulator",
		never:  []string{"."},
		except: []string{"./emulator"},
		why:    "it is evidence only while it is independent",
	},
	{
		room:   "./internal",
		never:  []string{"./remote", "./writeback", "./blockcache", "./fs", "./emulator", "./cmd", gofuse},
		except: nil,
		why:    "rooms use internal packages, not the other way",
	},
}

// onlyFor are packages that nobody but the listed ones may import; tests always may.
var onlyFor = map[string][]string{
	"./emulator":         {"./cmd", "./test"},
	"./internal/control": {"./cmd", "./internal/page", "./test"},
	"./internal/page":    {"./cmd", "./test"},
	"./internal/metrics": {"./cmd", "./test"},
	"./internal/demo":    {"./cmd", "./test"},
	gofuse:               {"./fs", "./test"},
}

// goPackage is what go list tells of one package. Imports does not hold those of its tests.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages asks the go command for every package of the module.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	require.NoError(t, err)
	var packages []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}

// full is the import path that a pattern stands for.
func full(pattern string) string {
	if rest, ok := strings.CutPrefix(pattern, "."); ok {
		return module + rest
	}
	return pattern
}

// covers reports whether an import path is that of a pattern, or below it.
func covers(pattern, path string) bool {
	pattern = full(pattern)
	return path == pattern || strings.HasPrefix(path, pattern+"/")
}

func coversAny(patterns []string, path string) bool {
	for _, p := range patterns {
		if covers(p, path) {
			return true
		}
	}
	return false
}

// breaches are the imports of a package that the rules forbid, as sentences.
func breaches(p goPackage) []string {
	var found []string
	for _, imported := range p.Imports {
		for _, r := range rules {
			if covers(r.room, p.ImportPath) && coversAny(r.never, imported) && !coversAny(r.except, imported) {
				found = append(found, p.ImportPath+" imports "+imported+": "+r.why)
			}
		}
		for guarded, allowed := range onlyFor {
			if covers(guarded, imported) && !covers(guarded, p.ImportPath) && !coversAny(allowed, p.ImportPath) {
				found = append(found, p.ImportPath+" imports "+imported+": only "+strings.Join(allowed, " and ")+" may")
			}
		}
		if covers("./emulator", p.ImportPath) && strings.Contains(strings.Split(imported, "/")[0], ".") && !covers("./emulator", imported) {
			found = append(found, p.ImportPath+" imports "+imported+": the emulator uses the standard library alone")
		}
	}
	return found
}

func TestNoRoomImportsWhatItMayNot(t *testing.T) {
	packages := listPackages(t)
	require.Greater(t, len(packages), 8, "go list found only %d packages", len(packages))
	for _, p := range packages {
		for _, b := range breaches(p) {
			t.Error(b)
		}
	}
}

// TestRulesCatchBreaches keeps the test above from passing because its rules match nothing.
func TestRulesCatchBreaches(t *testing.T) {
	for name, tc := range map[string]struct {
		from, imported string
		allowed        bool
	}{
		"remote to fs":                   {"./remote", "./fs", false},
		"remote to go-fuse":              {"./remote", gofuse + "/v2/fuse", false},
		"remote to netguard":             {"./remote", "./internal/netguard", true},
		"link service to remote":         {"./remote/teraboxdl", "./remote", true},
		"blockcache to remote":           {"./blockcache", "./remote", false},
		"blockcache to net/http":         {"./blockcache", "net/http", false},
		"blockcache to blocks":           {"./blockcache", "./internal/blocks", true},
		"writeback to blockcache":        {"./writeback", "./blockcache", false},
		"writeback to remote":            {"./writeback", "./remote", true},
		"writeback to httptest":          {"./writeback", "net/http/httptest", false},
		"fs to encoding/json":            {"./fs", "encoding/json", false},
		"fs to go-fuse":                  {"./fs", gofuse + "/v2/fs", true},
		"saved shares to remote":         {"./shares", "./remote", false},
		"saved shares to net/http":       {"./shares", "net/http", false},
		"emulator to remote":             {"./emulator", "./remote", false},
		"emulator to another module":     {"./emulator", "golang.org/x/sync/errgroup", false},
		"emulator to net/http":           {"./emulator", "net/http", true},
		"command to emulator":            {"./cmd/teraboxfs", "./emulator", true},
		"command to go-fuse":             {"./cmd/teraboxfs", gofuse + "/v2/fuse", false},
		"internal package to a room":     {"./internal/control", "./fs", false},
		"room with a similar name":       {"./fsck", "encoding/json", true},
		"test support to the emulator":   {"./test/integration", "./emulator", true},
		"link service to the emulator":   {"./remote/teraboxdl", "./emulator", false},
		"another room to control socket": {"./fs", "./internal/control", false},
		"status page to control socket":  {"./internal/page", "./internal/control", true},
		"status page to a room":          {"./internal/page", "./remote", false},
		"a room to the status page":      {"./fs", "./internal/page", false},
	} {
		t.Run(name, func(t *testing.T) {
			found := breaches(goPackage{ImportPath: full(tc.from), Imports: []string{full(tc.imported)}})
			assert.Equal(t, tc.allowed, len(found) == 0, "%v", found)
		})
	}
}

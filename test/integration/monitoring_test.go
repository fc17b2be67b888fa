//go:build linux

package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// metricsAt matches what a mount says of where its metrics are.
var metricsAt = regexp.MustCompile(`its metrics are (http://127\.0\.0\.1:\d+)/metrics`)

// TestLookingInside copies a file while somebody watches: figures move, the program that read is named with what it cost, the slow reads
// are told with their path, and metrics have the same numbers.
func TestLookingInside(t *testing.T) {
	t.Parallel()
	const size = 5 << 20
	emu := startEmulator(t)
	emu.put("/Films/film.bin", content(7, size))
	emu.set("shape", `{"latency":"20ms","bandwidth":4194304}`)
	m := mount(t, emu, "--metrics=127.0.0.1:0", "--passthrough=off")
	at := metricsAt.FindStringSubmatch(m.proc.stdout())
	require.NotNil(t, at, m.proc.stdout())
	get := func(path string) (int, string) {
		resp, err := (&http.Client{Timeout: 20 * time.Second}).Get(at[1] + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}

	profiled := make(chan result, 1)
	go func() { profiled <- teraboxfs(t, m.home, "profile", "--duration=2s", "--json", m.Dir) }()
	local := filepath.Join(tempDir(t), "film.bin")
	copied := exec.Command("sh", "-c", `cp "$1" "$2" && dd status=none if="$2" bs=1M count=3 skip=1 of="$3"`, "sh", m.Path("Films", "film.bin"), local, m.Path("copy.bin"))
	require.NoError(t, copied.Start())
	stats := teraboxfs(t, m.home, "stats", "--count=2", "--json", m.Dir)
	require.NoError(t, copied.Wait())
	var moved, operations int64
	lines := json.NewDecoder(strings.NewReader(stats.stdout))
	for range 2 {
		var s control.Sample
		require.NoError(t, lines.Decode(&s), stats)
		moved += s.Fetched + s.Sent
		operations += s.Operations
	}
	assert.Positive(t, operations)
	assert.Positive(t, moved)

	var programs []control.Program
	require.NoError(t, json.Unmarshal([]byte(teraboxfs(t, m.home, "stats", "--by-process", "--count=1", "--json", m.Dir).stdout), &programs))
	require.NotEmpty(t, programs)
	assert.Equal(t, "cp", programs[0].Name)
	assert.EqualValues(t, 1, programs[0].Opens)
	assert.GreaterOrEqual(t, programs[0].Read, int64(size))
	assert.EqualValues(t, size, programs[0].Fetched, "each byte once")
	require.Len(t, programs, 2)
	assert.Equal(t, control.Program{Name: "dd", Opens: 1, Writes: programs[1].Writes, Written: 3 << 20}, programs[1])

	var p control.Profile
	require.NoError(t, json.Unmarshal([]byte((<-profiled).stdout), &p))
	assert.NotEmpty(t, p.Operations)
	assert.NotEmpty(t, p.Service)
	require.NotEmpty(t, p.Slowest)
	assert.Contains(t, []string{"/Films/film.bin", "/copy.bin"}, p.Slowest[0].Path)

	code, text := get("/metrics")
	require.Equal(t, http.StatusOK, code)
	value := func(name string) float64 {
		found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
		require.NotNil(t, found, name)
		v, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		return v
	}
	assert.EqualValues(t, size, value("teraboxfs_fetched_bytes_total"))
	assert.EqualValues(t, 3<<20, value("teraboxfs_sent_bytes_total"))
	assert.EqualValues(t, size, value(`teraboxfs_service_received_bytes_total{call="data"}`))
	assert.GreaterOrEqual(t, value(`teraboxfs_fuse_operation_duration_seconds_count{operation="read"}`), float64(size>>20))
	assert.EqualValues(t, 1, value(`teraboxfs_account_state{state="ok"}`))
	assert.NotContains(t, text, "film")
	for _, path := range []string{"/healthz", "/readyz"} {
		code, text := get(path)
		assert.Equal(t, http.StatusOK, code, text)
	}
}

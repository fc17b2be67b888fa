package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/internal/metrics"
)

// metricsOf is the page of metrics of a mount that has done everything once.
func metricsOf(t *testing.T, status control.Status) string {
	t.Helper()
	var g measure.Group
	g.Row("read").Record(time.Second, "EIO")
	g.Row("read").Retried()
	g.Row("read").Brought(2)
	g.Row("read").Carried(3)
	var text metrics.Text
	figures{operations: g.Totals(), calls: g.Totals(), status: status}.write(&text)
	return text.String()
}

// TestMetricsAreWellFormed: every metric has its help and type before it, once, and nothing says the name of a file.
func TestMetricsAreWellFormed(t *testing.T) {
	text := metricsOf(t, control.Status{
		Version: "1", Started: time.Unix(1e9, 5e8), Mountpoint: "/home/me/secret", Pending: []control.Pending{{Path: "/secret", Err: "no \"secret\""}},
		Conflicts: []string{"/secret (1)"}, Account: "secret", State: &control.AccountState{State: control.StateLoginNeeded, Cause: "secret"},
	})
	assert.NotContains(t, text, "secret")
	line := regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+]+$`)
	seen, kind := map[string]bool{}, ""
	current := ""
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case strings.HasPrefix(l, "# HELP "):
			current = strings.Fields(l)[2]
			assert.False(t, seen[current], "%s comes twice", current)
			seen[current] = true
			assert.True(t, strings.HasSuffix(l, "."), l)
		case strings.HasPrefix(l, "# TYPE "):
			assert.Equal(t, current, strings.Fields(l)[2])
			kind = strings.Fields(l)[3]
		default:
			m := line.FindStringSubmatch(l)
			require.NotNil(t, m, l)
			assert.Equal(t, current, m[1], l)
			assert.Equal(t, kind == "histogram", m[2] != "", l)
		}
	}
	assert.Contains(t, text, `teraboxfs_account_state{state="login-needed"} 1`)
	assert.Contains(t, text, `teraboxfs_account_state{state="ok"} 0`)
	assert.Contains(t, text, "teraboxfs_queue_failed_files 1\n")
}

// metricName is a word of a query or a document that is the name of a metric.
var metricName = regexp.MustCompile(`\b(teraboxfs|process|go)_[a-z_]+`)

// namesIn are the metrics of a page of metrics, as queries name them.
func namesIn(text string) map[string]bool {
	names := map[string]bool{}
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "#") {
			names[metricName.FindString(l)] = true
		}
	}
	return names
}

// TestDashboardAsksForMetricsThatExist looks at every query, and that every metric is in the documentation.
func TestDashboardAsksForMetricsThatExist(t *testing.T) {
	text := metricsOf(t, control.Status{Version: "1"})
	names := namesIn(text)
	raw, err := os.ReadFile(filepath.Join("..", "..", "packaging", "grafana", "teraboxfs.json"))
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Query any } }
	}
	require.NoError(t, json.Unmarshal(raw, &board))
	asked := 0
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			found := metricName.FindAllString(q.Expr, -1)
			assert.NotEmpty(t, found, "%s: %s", p.Title, q.Expr)
			for _, name := range found {
				asked++
				assert.True(t, names[name], "%s: no metric is called %s", p.Title, name)
			}
		}
	}
	assert.Greater(t, asked, 20)
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	require.NoError(t, err)
	families := regexp.MustCompile(`# TYPE (\S+)`).FindAllStringSubmatch(text, -1)
	for _, f := range families {
		assert.Contains(t, string(doc), "`"+f[1]+"`", "docs/monitoring.md")
	}
	for _, name := range metricName.FindAllString(string(doc), -1) {
		assert.True(t, names[name] || strings.Contains(text, "# TYPE "+name+" "), "docs/monitoring.md: %s does not exist", name)
	}
}

func TestMetricsAddress(t *testing.T) {
	for _, good := range []string{"off", ":9378", "0.0.0.0:9378", "[::]:0", "localhost:1", "192.168.1.2:80"} {
		var m metricsAddress
		require.NoError(t, m.Set(good), good)
		assert.Equal(t, good, m.String())
	}
	for _, bad := range []string{"9378", "host.example:1", "127.0.0.1:http", "127.0.0.1:70000", "unix:/x"} {
		var m metricsAddress
		assert.Error(t, m.Set(bad), bad)
	}
}

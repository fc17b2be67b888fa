package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

func TestStatsLinesFitTheirHeader(t *testing.T) {
	var out bytes.Buffer
	show := statsLines(&out)
	for range statsHeaderEvery + 1 {
		require.NoError(t, show(control.Sample{}))
	}
	require.NoError(t, show(control.Sample{
		Seconds: 2, CPU: 3, RSS: 154 << 20, OpenFiles: 12, Operations: 20000, OperationsMS: 20000 * 1.234, Read: 999 << 20, Written: 2 << 20,
		Hits: 3, Misses: 1, DiskUsed: 64 << 30, Fetched: 46 << 20, Sent: 1, Requests: 7, Failed: 2, Pending: 12345,
	}))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 2+statsHeaderEvery+2+2)
	assert.Equal(t, lines[:2], lines[2+statsHeaderEvery:4+statsHeaderEvery], "the header comes again")
	assert.Equal(t, "  0%    0B    0     0      -    0B    0B    -    0B    0B    0B     0    0     0", lines[2])
	assert.Equal(t, "150%  154M   12 10.0k 1.23ms  500M  1.0M  75% 64.0G 23.0M    0B   3.5    2 12345", lines[len(lines)-1])
	for _, l := range lines {
		assert.LessOrEqual(t, len(l), 80)
	}
	assert.Equal(t, len(lines[1]), len(lines[2]), "columns end where their names do")
}

func TestShortFiguresAreShortAndRight(t *testing.T) {
	for n, want := range map[float64]string{0: "0B", 1: "1B", 999: "999B", 1000: "1.0K", 1024: "1.0K", 102300: "99.9K", 1 << 20: "1.0M", 1023 << 20: "1.0G", 150 << 20: "150M"} {
		assert.Equal(t, want, shortBytes(n), "%f", n)
	}
	for n, want := range map[float64]string{0: "0", 0.5: "0.5", 3: "3", 12.4: "12", 999: "999", 1500: "1.5k", 123456: "123k"} {
		assert.Equal(t, want, shortNumber(n), "%f", n)
	}
	for ms, want := range map[float64]string{0: "0us", 0.0123: "12us", 1: "1.00ms", 12.34: "12.3ms", 999: "999ms", 1234: "1.23s", 60000: "60.0s", 1e6: "16.7min"} {
		assert.Equal(t, want, shortTime(ms), "%f", ms)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(0, 1e17).Draw(t, "n")
		require.LessOrEqual(t, len(shortBytes(n)), 5)
		require.LessOrEqual(t, len(shortNumber(n)), 5)
		require.LessOrEqual(t, len(shortTime(math.Min(n, 3.6e6))), 7)
	})
}

func TestPlotDrawsWhatItIsGiven(t *testing.T) {
	assert.Equal(t, []string{"   █", "  ▄█", " ▁██"}, bars([]float64{0, 1e-9, 12, 24}, 24, 4))
	assert.Equal(t, []string{"", "", ""}, bars([]float64{0, 0}, 0, 5))
	p := &plot{}
	for i := range 200 {
		p.samples = append(p.samples, control.Sample{At: time.Unix(int64(i), 0), Seconds: 1, Read: int64(i) << 20, Requests: 3})
	}
	got := p.draw(80)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	assert.Less(t, len(lines), usualHeight)
	for _, l := range lines {
		assert.LessOrEqual(t, utf8.RuneCountInString(l), 80, l)
	}
	assert.Equal(t, "read by programs  199 MiB/s"+strings.Repeat(" ", 80-27-14)+"most 199 MiB/s", lines[0])
	assert.Equal(t, "the last 1m20s; now is at the right", lines[len(lines)-1])
}

func TestProfileIsReadable(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 27, 19, 0, 5, 0, time.Local)
	require.NoError(t, printProfile(&out, control.Profile{
		Operations: []control.Latency{{Name: "lookup", Count: 12, TotalMS: 340, P50MS: 0.1, P90MS: 20, P99MS: 130, MaxMS: 1300, Errors: map[string]int64{"EIO": 1, "ENOENT": 7}}},
		Slowest:    []control.Slow{{Operation: "read", Path: "/a\nb", TookMS: 1300, At: at}},
	}))
	assert.Equal(t, `  COUNT  TOTAL    P50     P90    P99    MAX  OPERATION
     12  340ms  100us  20.0ms  130ms  1.30s  lookup (1 EIO, 7 ENOENT)

nothing was asked of the service

SLOWEST  TOOK   AT        PATH
read     1.30s  19:00:05  /a; b
`, out.String())
}

func TestScreenWithoutATerminalIsOneTextAfterAnother(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	for i := range 2 {
		require.NoError(t, s.show(func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "frame %d\n", i)
			return err
		}))
	}
	assert.Equal(t, "frame 0\n\nframe 1\n", out.String())
	assert.Equal(t, "äö", cut("äöü", 2))
}

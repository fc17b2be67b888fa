package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `measured: today, here
goos: linux
BenchmarkPeers/cold/rclone-full-2       1   2.0 cpu-s/GiB   400 MB/s
BenchmarkPeers/cold/teraboxfs-2         1   800 MB/s  0.5 cpu-s/GiB
BenchmarkPeers/seek/teraboxfs-2         1   55.25 p50-ms
BenchmarkPeers/cold/teraboxfs#01-2      1   1000 MB/s  0.75 cpu-s/GiB
BenchmarkPeers/cold/rclone-full#01-2    1   500 MB/s  1.0 cpu-s/GiB
PASS
ok  	github.com/teraboxfs/teraboxfs/test/integration	1.0s
`

func TestTablesOfRuns(t *testing.T) {
	var r results
	require.NoError(t, r.parse(sample))
	assert.Equal(t, "today, here", r.provenance)
	assert.Equal(t, `
**Peers**, min / median / max

| workload | metric | teraboxfs | rclone-full | teraboxfs : rclone, the best of each |
|---|---|---|---|---|
| cold | MB/s | 800 / **900** / 1000 | 400 / **450** / 500 | 2x |
|  | cpu-s/GiB | 0.5 / **0.625** / 0.75 | 1 / **1.5** / 2 | 2.4x |
| seek | p50-ms | 55.2 / **55.2** / 55.2 |  |  |
`, r.markdown())
}

func TestBadOutputIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"failed":     "BenchmarkA/b/c 1 2 MB/s\n--- FAIL: BenchmarkA/b/d\nFAIL\n",
		"nested":     "    --- FAIL: BenchmarkA/b/d\nPASS\n",
		"panicked":   "panic: oh\nPASS\n",
		"unfinished": "BenchmarkA/b/c 1 2 MB/s\n",
		"empty":      "",
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, new(results).parse(text)) })
	}
}

func TestSectionIsReplaced(t *testing.T) {
	page, err := replace([]byte("a\n<!-- x -->\nold\n<!-- /x -->\nb\n"), "x", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n", string(page))
	_, err = replace([]byte("a\n<!-- x -->\nold\n"), "x", "new\n")
	require.Error(t, err)
}

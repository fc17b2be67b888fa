package blockcache

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// example is the worked example of docs/formats.md: three grains, the middle one absent.
func example() []byte {
	b := encodeHeader(sidecarHeader{
		id:    objectID{key: "4398046511104-9e107d9d372bb6826bd81d3542a419d6", size: 300_000},
		name:  "/films/a.mkv",
		flags: flagPinned,
	})
	first := encodeRecord(crc32.Checksum(make([]byte, 131072), castagnoli))
	third := encodeRecord(crc32.Checksum(bytes.Repeat([]byte{0xff}, 300_000-262_144), castagnoli))
	b = append(b, first[:]...)
	b = append(b, make([]byte, recordSize)...)
	return append(b, third[:]...)
}

func TestSidecarIsAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats.md")
	require.NoError(t, err)
	var dump strings.Builder
	for _, line := range regexp.MustCompile(`(?m)^ {4}[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)$`).FindAllSubmatch(doc, -1) {
		dump.WriteString(strings.ReplaceAll(string(line[1]), " ", ""))
	}
	want, err := hex.DecodeString(dump.String())
	require.NoError(t, err)
	require.Equal(t, want, example(), "docs/formats.md:\n%s", hex.Dump(example()))

	h, err := decodeHeader(want)
	require.NoError(t, err)
	assert.Equal(t, sidecarHeader{
		id:   objectID{key: "4398046511104-9e107d9d372bb6826bd81d3542a419d6", size: 300_000},
		name: "/films/a.mkv", flags: flagPinned,
	}, h)
	assert.Contains(t, string(doc), diskName(idSum(h.id)), "the names of the example's files")
}

func TestUnknownSidecarIsNotOurs(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"torn":            func(b []byte) []byte { return b[:40] },
		"shorter than 32": func(b []byte) []byte { return b[:31] },
		"magic":           func(b []byte) []byte { b[0] = 'X'; return b },
		"next version":    func(b []byte) []byte { b[6]++; return b },
		"size":            func(b []byte) []byte { b[8]++; return b },
		"negative size":   func(b []byte) []byte { b[15] |= 0x80; return b },
		"key length":      func(b []byte) []byte { b[16]++; return b },
		"endless key":     func(b []byte) []byte { copy(b[16:20], "\xff\xff\xff\xff"); return b },
		"endless name":    func(b []byte) []byte { copy(b[28:32], "\xff\xff\xff\xff"); return b },
		"key":             func(b []byte) []byte { b[32] ^= 1; return b },
		"checksum":        func(b []byte) []byte { b[24] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeHeader(damage(example()))
			assert.ErrorIs(t, err, errFormat)
		})
	}
}

// Whatever bytes there are, reading them gives an error or a header that is written as it was read.
func FuzzSidecar(f *testing.F) {
	f.Add(example())
	f.Add(example()[:50])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err == nil {
			require.GreaterOrEqual(t, h.id.size, int64(0))
			require.LessOrEqual(t, h.length(), int64(len(b)))
			again := encodeHeader(h)
			back, err := decodeHeader(append(again, b[h.length():]...))
			require.NoError(t, err)
			require.Equal(t, h, back)
		} else {
			require.ErrorIs(t, err, errFormat)
		}
		for ; len(b) >= recordSize; b = b[recordSize:] {
			if sum, present := decodeRecord(b); present {
				r := encodeRecord(sum)
				require.Equal(t, b[:recordSize], r[:])
			}
		}
	})
}

// FuzzScan looks for the object of an earlier process in a directory in which the sidecar, and the data file
// beside it, are what the fuzzer makes of them. What it reads is right or an error.
func FuzzScan(f *testing.F) {
	const size = 300_000
	b := newBank(size)
	sidecar := func(pinned bool, sums ...uint32) []byte {
		h := sidecarHeader{id: objectID{key: "k", size: size}, name: "/n"}
		if pinned {
			h.flags = flagPinned
		}
		p := encodeHeader(h)
		for _, sum := range sums {
			r := encodeRecord(sum)
			p = append(p, r[:]...)
		}
		return p
	}
	sum := func(i int64) uint32 { return crcOf(b, grainSize.Span(i, size)) }
	f.Add(sidecar(false, sum(0), sum(1), sum(2)), 300_000, byte(0))
	f.Add(sidecar(true, sum(0), sum(1), sum(2), 5, 6, 7), 300_000, byte(1))
	f.Add(sidecar(false, sum(0), 77), 131_072, byte(0))
	f.Add(sidecar(false, sum(0))[:30], 0, byte(0))
	f.Fuzz(func(t *testing.T, meta []byte, n int, flip byte) {
		dir := t.TempDir()
		stem := dir + "/" + diskName(idSum(objectID{key: "k", size: size}))
		require.NoError(t, os.Mkdir(stem[:len(dir)+3], 0o700))
		data := bytes.Clone(b.data[:min(max(n, 0), size)])
		if len(data) > 0 {
			data[len(data)/2] ^= flip
		}
		require.NoError(t, os.WriteFile(stem+metaSuffix, meta, 0o600))
		require.NoError(t, os.WriteFile(stem+dataSuffix, data, 0o600))

		store, err := openStore(dir)
		require.NoError(t, err)
		defer store.close()
		all, err := store.scan()
		require.NoError(t, err)
		for _, found := range all {
			o := &diskObject{id: found.header.id, sum: idSum(found.header.id)}
			for i := int64(0); (i+1)*recordSize <= int64(len(found.records)); i++ {
				sum, present := decodeRecord(found.records[i*recordSize:])
				grain := grainSize.Span(i, o.id.size)
				p := make([]byte, grain.Len)
				if present && readBackGrain(store, o, grain, sum, p) && sum == crcOf(b, grain) {
					require.True(t, bytes.Equal(b.data[grain.Off:grain.End()], p))
				}
			}
			store.closeFiles(o, false)
		}
	})
}

func crcOf(b *bank, grain blocks.Span) uint32 {
	return crc32.Checksum(b.data[grain.Off:grain.End()], castagnoli)
}

// readBackGrain fills p with a grain and reports whether it has this CRC.
func readBackGrain(s *diskStore, o *diskObject, grain blocks.Span, sum uint32, p []byte) bool {
	n, err := s.readGrains(o, grainSize.Index(grain.Off), []uint32{sum}, p)
	return n == 1 && err == nil
}

//go:build linux

package integration

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sizes in bytes.
const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30

	// partSize is the length of an upload part of a file of up to 4 GiB (docs/protocol.md 4.6).
	partSize = 4 * mib
	// pageSize is the granularity of pattern: no two pages of two patterns are equal.
	pageSize = 4 * kib
)

// slab is what patterns are cut from: bytes without structure, the same in every run.
var slab = func() []byte {
	b := make([]byte, mib+pageSize)
	src := rand.NewChaCha8([32]byte{'t', 'b', 'f', 's'})
	_, _ = src.Read(b) // never fails
	return b
}()

// pattern fills b with the content at offset off of the endless file named by seed. Equal bytes mean equal seed and offset,
// so a block in the wrong place or of another file never passes for the right one.
func pattern(seed uint64, off int64, b []byte) {
	for len(b) > 0 {
		page, in := off/pageSize, off%pageSize
		var buf [pageSize]byte
		start := int64(uint64(page)*uint64(pageSize+61)+seed*251) & (mib - 1)
		copy(buf[:], slab[start:start+pageSize])
		binary.LittleEndian.PutUint64(buf[:], seed<<40^uint64(page))
		n := copy(b, buf[in:])
		b, off = b[n:], off+int64(n)
	}
}

// content returns the first size bytes of pattern seed.
func content(seed uint64, size int64) []byte {
	b := make([]byte, size)
	pattern(seed, 0, b)
	return b
}

// writePattern writes a new file of the given size, a MiB at a time, and closes it.
func writePattern(name string, seed uint64, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buf := make([]byte, mib)
	for off := int64(0); off < size; off += mib {
		part := buf[:min(mib, size-off)]
		pattern(seed, off, part)
		if _, err := f.Write(part); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// checkPattern reads r to its end and returns an error unless it is exactly the first size bytes of pattern seed.
func checkPattern(r io.Reader, seed uint64, size int64) error {
	got, want := make([]byte, mib), make([]byte, mib)
	for off := int64(0); ; {
		n, err := io.ReadFull(r, got)
		pattern(seed, off, want[:n])
		if !bytes.Equal(got[:n], want[:n]) {
			return fmt.Errorf("wrong bytes in [%d, %d)", off, off+int64(n))
		}
		off += int64(n)
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if off != size {
				return fmt.Errorf("%d bytes, want %d", off, size)
			}
			return nil
		case err != nil:
			return fmt.Errorf("at %d: %w", off, err)
		}
	}
}

// checkFile is checkPattern of a file.
func checkFile(name string, seed uint64, size int64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return checkPattern(f, seed, size)
}

// digest is what the service says of content: the md5 of each part and the md5 of the file (docs/protocol.md 2.5).
func digest(t testing.TB, r io.Reader) (parts []string, file string) {
	t.Helper()
	for {
		sum := md5.New()
		n, err := io.CopyN(sum, r, partSize)
		if n > 0 || len(parts) == 0 {
			parts = append(parts, hex.EncodeToString(sum.Sum(nil)))
		}
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	if len(parts) == 1 {
		return parts, parts[0]
	}
	text, err := json.Marshal(parts)
	require.NoError(t, err)
	sum := md5.Sum(text)
	return parts, hex.EncodeToString(sum[:])
}

// plainMD5 decodes the scrambled form of the service's md5; the plain form is returned as it is (docs/protocol.md 2.5).
func plainMD5(t testing.TB, s string) string {
	t.Helper()
	require.Len(t, s, 32)
	if s[9] < 'g' || s[9] > 'v' {
		return s
	}
	b := []byte(s)
	b[9] = strconv.FormatInt(int64(b[9]-'g'), 16)[0]
	for i, c := range b {
		v, err := strconv.ParseUint(string(c), 16, 8)
		require.NoError(t, err, "md5 %q", s)
		b[i] = strconv.FormatUint(v^uint64(i&15), 16)[0]
	}
	return string(b[8:16]) + string(b[0:8]) + string(b[24:32]) + string(b[16:24])
}

// requireOnDrive ends the test unless the drive has exactly these bytes at path, with the size, the part list and the md5
// that go with them.
func requireOnDrive(t testing.TB, emu *Emulator, path string, want []byte) {
	t.Helper()
	in, err := emu.info(path)
	require.NoError(t, err)
	require.EqualValues(t, len(want), in.Size, "size of %s on the drive", path)
	parts, file := digest(t, bytes.NewReader(want))
	require.Equal(t, file, plainMD5(t, in.MD5), "md5 of %s on the drive", path)
	if len(want) > 0 {
		require.Equal(t, parts, in.parts(), "parts of %s on the drive", path)
	}
	requireSame(t, want, emu.read(path), path+" on the drive")
}

// requireSame is require.Equal for long contents: it says where they differ and does not print them.
func requireSame(t testing.TB, want, got []byte, what string) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	t.Fatalf("%s: %d bytes, want %d; the first difference is at %d", what, len(got), len(want), at)
}

// requireFile ends the test unless the file has these bytes.
func requireFile(t testing.TB, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	requireSame(t, want, got, name)
}

// TestDigestOfTheServicesMD5 checks the arithmetic the other tests rest on, with the vectors of docs/protocol.md 2.5.
func TestDigestOfTheServicesMD5(t *testing.T) {
	for scrambled, plain := range map[string]string{
		"cacdbeeb9vd70ff5acba3e4cd7f0acb3": "167cc21acbeefb8c5e5b615cad997b2b",
		"e13dabb7dn1df6548e7988a41a60ef54": "5eb63bbbe01eeed093cb22bb8f5acdc3",
		"8e23f7635tb64136eddb0719602bc477": "d41d8cd98f00b204e9800998ecf8427e",
	} {
		require.Equal(t, plain, plainMD5(t, scrambled))
		require.Equal(t, plain, plainMD5(t, plain))
	}
	_, file := digest(t, bytes.NewReader([]byte("hello world")))
	require.Equal(t, "5eb63bbbe01eeed093cb22bb8f5acdc3", file)

	two := content(1, partSize+1)
	first, last := md5.Sum(two[:partSize]), md5.Sum(two[partSize:])
	list := fmt.Sprintf(`["%x","%x"]`, first, last)
	_, file = digest(t, bytes.NewReader(two))
	require.Equal(t, fmt.Sprintf("%x", md5.Sum([]byte(list))), file)
}

// TestPatternHasNoEqualParts: a misplaced block must not look right.
func TestPatternHasNoEqualParts(t *testing.T) {
	seen := map[[md5.Size]byte]string{}
	for seed := uint64(1); seed <= 4; seed++ {
		b := content(seed, 8*mib)
		for off := int64(0); off < int64(len(b)); off += 64 * kib {
			sum := md5.Sum(b[off : off+64*kib])
			where := fmt.Sprintf("seed %d offset %d", seed, off)
			require.Empty(t, seen[sum], where)
			seen[sum] = where
		}
	}
	tail := make([]byte, 10_000)
	pattern(3, 12_345, tail)
	requireSame(t, content(3, 22_345)[12_345:], tail, "pattern from the middle")
	require.NoError(t, checkPattern(bytes.NewReader(content(9, 3*mib+7)), 9, 3*mib+7))
	require.Error(t, checkPattern(bytes.NewReader(content(9, 3*mib+7)), 9, 3*mib+8))
	require.Error(t, checkPattern(bytes.NewReader(content(8, 3*mib)), 9, 3*mib))
}

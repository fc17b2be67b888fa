package blockcache

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lying is a bank that gives other bytes, of the right length, as long as lies lasts.
type lying struct {
	*bank
	lies int // fetches
}

func (l *lying) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	body, err := l.bank.Fetch(ctx, off, n)
	if l.lies > 0 {
		l.lies--
		return changed{body}, err
	}
	return body, err
}

// changed is a stream with every byte changed.
type changed struct{ io.ReadCloser }

func (c changed) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	for i := range p[:n] {
		p[i] ^= 0xff
	}
	return n, err
}

// checked is b's object with its true MD5.
func (l *lying) checked() Object {
	sum := md5.Sum(l.data)
	obj := l.object("a")
	obj.MD5, obj.Fetcher = hex.EncodeToString(sum[:]), l
	return obj
}

func TestWrongContentReadAtOnceIsFetchedAgain(t *testing.T) {
	for _, size := range []int64{5, grainLen, grainLen + 1, mib} {
		b := &lying{newBank(size), 1}
		c := newCache(t, Config{})
		r := open(t, c, b.checked())
		readBack(t, r, b.bank, 0, size)
		readBack(t, r, b.bank, 0, size)
		asked, _ := b.bytes()
		assert.Equal(t, 2*size, asked)
	}
}

func TestWrongContentThatStaysIsAnError(t *testing.T) {
	b := &lying{newBank(300_000), 1 << 30}
	c := newCache(t, onDisk(t.TempDir(), 8*mib))
	r := open(t, c, b.checked())
	for range 3 {
		_, err := r.ReadAt(context.Background(), make([]byte, 300_000), 0)
		require.ErrorIs(t, err, ErrContent)
	}
	b.lies = 0
	readBack(t, r, b.bank, 0, 300_000)
}

// Who was given wrong bytes before the last ones came hears of it.
func TestWrongContentGivenOutIsAnError(t *testing.T) {
	b := &lying{newBank(3 * mib), 1 << 30}
	cfg := onDisk(t.TempDir(), 8*mib)
	cfg.Memory = 64 * mib // all of it has to be held to be compared
	c := newCache(t, cfg)
	r := open(t, c, b.checked())
	var err error
	p := make([]byte, grainLen)
	for off := int64(0); off < 3*mib && err == nil; off += grainLen {
		_, err = r.ReadAt(context.Background(), p, off)
	}
	require.ErrorIs(t, err, ErrContent)
	b.lies = 0
	inOrder(t, r, b.bank, 0, 3*mib)
	settled(c)
	assert.GreaterOrEqual(t, c.Stats().Disk.Used, 3*mib, "confirmed content goes to disk")
}

func TestDoubtfulContentStaysInMemory(t *testing.T) {
	b := &lying{newBank(3 * mib), 0}
	c := newCache(t, onDisk(t.TempDir(), 8*mib))
	r := open(t, c, b.checked())
	readBack(t, r, b.bank, 2*mib, 1000)
	settled(c)
	assert.Zero(t, c.Stats().Disk.Used)
}

// Who was given wrong bytes hears of it with its next read, also when somebody else brought the last ones, and was told.
func TestWrongContentIsToldToEveryReader(t *testing.T) {
	const size = 3 * grainLen
	b := &lying{newBank(size), 1 << 30}
	c := newCache(t, Config{ReadAhead: NoReadAhead})
	early, late := open(t, c, b.checked()), open(t, c, b.checked())
	_, err := early.ReadAt(context.Background(), make([]byte, 2*grainLen), 0)
	require.NoError(t, err)
	_, err = late.ReadAt(context.Background(), make([]byte, grainLen), 2*grainLen)
	require.ErrorIs(t, err, ErrContent)
	_, err = early.ReadAt(context.Background(), make([]byte, grainLen), 2*grainLen)
	require.ErrorIs(t, err, ErrContent)
	b.lies = 0
	_, err = early.ReadAt(context.Background(), make([]byte, size), 0) // with what came for the read before
	require.ErrorIs(t, err, ErrContent)
	readBack(t, early, b.bank, 0, size)
}

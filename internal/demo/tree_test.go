package demo

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"image/jpeg"
	"image/png"
	"path"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTreeIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Tree() {
		assert.Equal(t, path.Clean("/"+f.Path), f.Path)
		assert.False(t, seen[f.Path], "%s comes twice", f.Path)
		assert.True(t, utf8.ValidString(f.Path))
		assert.False(t, f.Mtime.IsZero(), f.Path)
		assert.NotEmpty(t, f.Data(), f.Path)
		seen[f.Path] = true
	}
}

func TestPicturesDecode(t *testing.T) {
	for name, make := range map[string]func() []byte{"mandelbrot": Mandelbrot, "plasma": Plasma, "sierpinski": Sierpinski} {
		t.Run(name, func(t *testing.T) {
			img, err := png.Decode(bytes.NewReader(make()))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, img.Bounds().Dx(), 512)
			assert.NotEqual(t, img.At(0, 0), img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/2), "it is one colour")
		})
	}
}

func TestScaleIsWholeWAVOfMoreThanOnePart(t *testing.T) {
	data := Scale()
	require.Equal(t, "RIFF", string(data[:4]))
	require.Equal(t, "WAVEfmt ", string(data[8:16]))
	assert.Equal(t, len(data)-8, int(binary.LittleEndian.Uint32(data[4:])))
	assert.Equal(t, len(data)-44, int(binary.LittleEndian.Uint32(data[40:])))
	assert.Greater(t, len(data), 4<<20, "it is one upload part")
	assert.Equal(t, data, Scale(), "two calls differ")
}

func TestBounceIndexPointsAtItsFrames(t *testing.T) {
	data := Bounce()
	require.Equal(t, "RIFF", string(data[:4]))
	require.Equal(t, len(data)-8, int(binary.LittleEndian.Uint32(data[4:])))
	movi := bytes.Index(data, []byte("movi"))
	index := bytes.LastIndex(data, []byte("idx1"))
	require.Positive(t, movi)
	require.Positive(t, index)
	entries := data[index+8:]
	require.Len(t, entries, 16*frames)
	for i := range frames {
		e := entries[16*i:]
		at, size := int(binary.LittleEndian.Uint32(e[8:])), int(binary.LittleEndian.Uint32(e[12:]))
		require.Equal(t, "00dc", string(data[movi+at:movi+at+4]), "frame %d", i)
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(data[movi+at+8 : movi+at+8+size]))
		require.NoError(t, err, "frame %d", i)
		require.Equal(t, frameWidth, cfg.Width)
	}
}

func TestPrimesAreAThousandRows(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(primesCSV())).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1001)
	assert.Equal(t, []string{"1000", "7919"}, rows[1000])
}

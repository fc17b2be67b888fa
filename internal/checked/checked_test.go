package checked

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type sample struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func TestEveryDamageIsSeen(t *testing.T) {
	want := sample{"a", 1 << 40}
	data, err := Encode("MAGIC1", want)
	require.NoError(t, err)
	var got sample
	require.NoError(t, Decode("MAGIC1", data, &got))
	require.Equal(t, want, got)
	require.ErrorIs(t, Decode("MAGIC2", data, &got), ErrDamaged)
	for i := range data {
		require.ErrorIs(t, Decode("MAGIC1", data[:i], &got), ErrDamaged, "cut at %d", i)
		bad := append([]byte(nil), data...)
		bad[i] ^= 1
		require.ErrorIs(t, Decode("MAGIC1", bad, &got), ErrDamaged, "flipped at %d", i)
	}
}

func FuzzDecode(f *testing.F) {
	good, _ := Encode("MAGIC1", sample{"a", 1})
	f.Add(good)
	f.Add([]byte("MAGIC1 00000000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if Decode("MAGIC1", data, &v) != nil {
			return
		}
		again, err := Encode("MAGIC1", v)
		require.NoError(t, err)
		var w sample
		require.NoError(t, Decode("MAGIC1", again, &w))
		require.Equal(t, v, w)
	})
}

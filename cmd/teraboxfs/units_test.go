package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "1K": 1 << 10, "64k": 64 << 10, "128M": 128 << 20, "1.5G": 3 << 29, "2T": 2 << 40,
		"10MiB": 10 << 20, "10MB": 10_000_000, "1 G": 1 << 30, "7B": 7,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parseSize(text)
			require.NoError(t, err)
			assert.Equal(t, want, int64(got))
		})
	}
	for _, text := range []string{"", "K", "-1", "-1M", "12Q", "1e400", "many", "auto", "99999999T"} {
		t.Run("not "+text, func(t *testing.T) {
			_, err := parseSize(text)
			require.Error(t, err)
			if text != "" {
				assert.Contains(t, err.Error(), `"`+text+`"`)
			}
		})
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "90m": 90 * time.Minute, "2h": 2 * time.Hour, "30d": 720 * time.Hour, "1.5d": 36 * time.Hour} {
		var got age
		require.NoError(t, got.Set(text))
		assert.Equal(t, want, got.span, text)
		assert.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "d", "30", "-2h", "-1d", "NaNd", "1e9d", "soon"} {
		assert.ErrorContains(t, new(age).Set(text), "30d", text)
	}
}

func TestValuesReadBackWhatTheyPrint(t *testing.T) {
	for name, tc := range map[string]struct {
		value pflag.Value
		texts []string
	}{
		"size":          {new(size), []string{"0", "512", "64K", "128M", "3G", "2T", "1025"}},
		"optional size": {new(optionalSize), []string{"auto", "0", "64M"}},
		"rate":          {new(rate), []string{"auto", "off", "8/s", "0.5/s"}},
		"mode":          {new(mode), []string{"755", "000", "022"}},
		"owner":         {new(owner), []string{"0", "1000", "4294967295"}},
		"choice":        {newChoice(new(choice), "on", "off"), []string{"on", "off"}},
		"bounded":       {newBounded(new(bounded), 4, 1, 64), []string{"1", "64"}},
		"globs":         {new(globs), []string{"", ".DS_Store", "._* *.tmp [ab]?"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range tc.texts {
				require.NoError(t, tc.value.Set(text))
				assert.Equal(t, text, tc.value.String())
			}
		})
	}
}

func TestValuesRefuseWhatTheyAreNot(t *testing.T) {
	for name, tc := range map[string]struct {
		value pflag.Value
		texts []string
	}{
		"optional size": {new(optionalSize), []string{"", "Auto", "-1"}},
		"rate":          {new(rate), []string{"", "0/s", "-1/s", "fast", "NaN"}},
		"mode":          {new(mode), []string{"", "888", "1777", "rwx"}},
		"owner":         {new(owner), []string{"", "-1", "root", "4294967296"}},
		"choice":        {newChoice(new(choice), "on", "off"), []string{"", "ON", "yes"}},
		"bounded":       {newBounded(new(bounded), 4, 1, 64), []string{"", "0", "65", "four"}},
		"globs":         {new(globs), []string{"[", "a/b", ".DS_Store x/*"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range tc.texts {
				assert.Error(t, tc.value.Set(text), "%q", text)
			}
		})
	}
}

func TestPortionIsAShareOrASize(t *testing.T) {
	for text, want := range map[string]int64{"5%": 50, "0%": 0, "12.5%": 125, "0": 0, "7": 7, "1K": 1024} {
		var p portion
		require.NoError(t, p.Set(text), text)
		assert.Equal(t, want, p.of(1000), text)
		var again portion
		require.NoError(t, again.Set(p.String()), text)
		assert.Equal(t, p, again, text)
	}
	for _, text := range []string{"", "%", "x%", "-1%", "101%", "NaN%", "-5", "lots"} {
		assert.Error(t, new(portion).Set(text), text)
	}
}

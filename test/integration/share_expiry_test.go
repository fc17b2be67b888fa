//go:build linux

package integration

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// set changes what an admin route has: shape, settings.
func (e *Emulator) set(route, body string) {
	e.t.Helper()
	res := e.admin(http.MethodPut, route, "", strings.NewReader(body))
	defer res.Body.Close()
	e.mustOK(res)
}

// TestShareLinksExpireWhileManyRead reads a film by four readers while links live three seconds: every byte is right, and each time
// that the links die they are renewed once for all who read.
func TestShareLinksExpireWhileManyRead(t *testing.T) {
	t.Parallel()
	const size, readers, life = 24 << 20, 4, 3 * time.Second
	for name, renewal := range map[string]string{"teraboxdl": "dl-api", "native": "share-download"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			emu.publish("film", "", sharePart{Path: "/film.mkv", Size: size, Seed: 5})
			want := []byte(emu.shareTree(emu.URL + "/s/1film")["film.mkv"])
			require.Len(t, want, size)
			emu.set("settings", `{"link_ttl":"`+life.String()+`"}`)
			emu.set("shape", `{"bandwidth":524288}`)
			m := mountWith(t, emu, mountSpec{source: emu.URL + "/s/1film", flags: []string{"--teraboxdl-url=" + emu.URL, "--resolver=" + name, "--read-ahead=2M"}})
			emu.resetCalls()
			start := time.Now()
			var all sync.WaitGroup
			for i := range readers {
				all.Go(func() {
					f, err := os.Open(m.Path("film.mkv"))
					if !assert.NoError(t, err) {
						return
					}
					defer f.Close()
					got := make([]byte, size/readers)
					_, err = f.ReadAt(got, int64(i*len(got)))
					assert.NoError(t, err)
					assert.True(t, bytes.Equal(want[i*len(got):(i+1)*len(got)], got), "reader %d has other bytes", i)
				})
			}
			all.Wait()
			lives := int(time.Since(start)/(life-time.Second)) + 1 // a link is given up a little before it dies, and it dies at a full second
			resolved := emu.calls()[renewal]
			t.Logf("%d renewals in %v", resolved, time.Since(start))
			assert.LessOrEqual(t, resolved, lives, "more than one renewal each time")
			if name == "teraboxdl" {
				assert.GreaterOrEqual(t, resolved, 2, "no link has died")
			}
		})
	}
}

//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// expireLinks ends every link that was given out.
func (e *Emulator) expireLinks() {
	e.t.Helper()
	res := e.admin(http.MethodPost, "expire-links", "", nil)
	defer res.Body.Close()
	e.mustOK(res)
}

// mountWithKey mounts a share of three files for somebody who has a key in the environment and no login.
func mountWithKey(t *testing.T, emu *Emulator) *Mount {
	t.Helper()
	emu.publish("show", "", sharePart{Path: "/a", Content: "one"}, sharePart{Path: "/b", Content: "two"})
	m := mountShare(t, emu, emu.URL+"/s/1show")
	requireFile(t, m.Path("a"), []byte("one"))
	return m
}

// TestKeyRegeneratedWhileMounted: a mount that began with a key in its environment goes on with the one that 'teraboxdl regenerate'
// has stored meanwhile.
func TestKeyRegeneratedWhileMounted(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mountWithKey(t, emu)
	res := teraboxfs(t, m.home, "teraboxdl", "--teraboxdl-url="+emu.URL, "regenerate", "--yes")
	require.Zero(t, res.code, res.stderr)
	emu.expireLinks()
	requireFile(t, m.Path("b"), []byte("two"))
}

// TestKeyReplacedElsewhereWhileMounted: when the key was replaced on another machine, the mount says once what to do, and then
// goes on with the key that 'teraboxdl login' has stored.
func TestKeyReplacedElsewhereWhileMounted(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mountWithKey(t, emu)
	key, secret := emu.regenerate()
	emu.expireLinks()
	_, err := os.ReadFile(m.Path("b"))
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = os.ReadFile(m.Path("b"))
	require.Error(t, err)
	require.Equal(t, 1, strings.Count(m.proc.stderr(), "'teraboxfs teraboxdl login'"), m.proc.stderr())

	pair := filepath.Join(tempDir(t), "pair")
	require.NoError(t, os.WriteFile(pair, []byte(key+"\n"+secret+"\n"), 0o600))
	bin, err := builtBinary()
	require.NoError(t, err)
	sh(t, m.home.dir, "HOME='"+m.home.dir+"' XDG_CONFIG_HOME='"+filepath.Join(m.home.dir, "config")+"' "+
		bin+" teraboxdl --teraboxdl-url="+emu.URL+" login --stdin <"+pair)
	eventually(t, 10*time.Second, "the new key", func() error {
		got, err := os.ReadFile(m.Path("b"))
		if err == nil && string(got) != "two" {
			err = errors.New("other bytes")
		}
		return err
	})
}

// regenerate replaces the key of the link service, as its document tells any client to.
func (e *Emulator) regenerate() (key, secret string) {
	e.t.Helper()
	req, err := http.NewRequest(http.MethodPost, e.URL+"/client/api-key/regenerate", nil)
	require.NoError(e.t, err)
	req.Header.Set("X-API-Key", e.apiKey)
	res, err := e.http.Do(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	e.mustOK(res)
	var fresh struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&fresh))
	return fresh.Key, fresh.Secret
}

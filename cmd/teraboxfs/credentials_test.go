package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCredentialComesFromTheStrongestPlace(t *testing.T) {
	type places struct{ env, file, systemd, vault string }
	for name, tc := range map[string]struct {
		places places
		want   string
	}{
		"environment":      {places{"env", "file", "systemd", "vault"}, "env"},
		"file it names":    {places{"", "file", "systemd", "vault"}, "file"},
		"systemd":          {places{"", "", "systemd", "vault"}, "systemd"},
		"credentials file": {places{"", "", "", "vault"}, "vault"},
	} {
		t.Run(name, func(t *testing.T) {
			env, dir := testEnvironment(t), t.TempDir()
			if tc.places.env != "" {
				env.vars["TERABOXFS_NDUS"] = tc.places.env
			}
			if tc.places.file != "" {
				writeFile(t, filepath.Join(dir, "secret"), tc.places.file+"\n", 0o600)
				env.vars["TERABOXFS_NDUS_FILE"] = filepath.Join(dir, "secret")
			}
			if tc.places.systemd != "" {
				writeFile(t, filepath.Join(dir, "ndus"), tc.places.systemd, 0o400)
				env.vars["CREDENTIALS_DIRECTORY"] = dir
			}
			c := newConfig(env)
			require.NoError(t, c.saveVault(vault{Accounts: map[string]login{"default": {Cookie: tc.places.vault}}}))
			got, err := c.credential("")
			require.NoError(t, err)
			assert.Equal(t, tc.want, got.cookie.reveal())
		})
	}
}

func TestCredentialNobodyHas(t *testing.T) {
	_, err := newConfig(testEnvironment(t)).credential("")
	require.ErrorIs(t, err, errNoLogin)
	_, err = newConfig(testEnvironment(t, "CREDENTIALS_DIRECTORY", t.TempDir())).credential("")
	require.ErrorIs(t, err, errNoLogin, "a unit with other credentials")
	_, err = newConfig(testEnvironment(t, "TERABOXFS_NDUS_FILE", "/no/such/file")).credential("")
	assert.Equal(t, exitUsage, explain(err).code, "a file that was named has to be there")
}

func TestAccountsAreChosenByName(t *testing.T) {
	c := newConfig(testEnvironment(t))
	require.NoError(t, c.saveVault(vault{Accounts: map[string]login{"work": {Cookie: "w", BaseURL: "https://dm.terabox.com"}}}))
	only, err := c.credential("")
	require.NoError(t, err)
	assert.Equal(t, "work", only.account, "the only one needs no name")
	assert.Equal(t, "https://dm.terabox.com", only.baseURL, "a cookie goes where it was tried")

	_, err = c.credential("home")
	require.ErrorIs(t, err, errNoLogin)
	assert.Contains(t, explain(err).hint, "work")

	require.NoError(t, c.saveVault(vault{Accounts: map[string]login{"work": {Cookie: "w"}, "default": {Cookie: "d"}}}))
	got, err := c.credential("")
	require.NoError(t, err)
	assert.Equal(t, "d", got.cookie.reveal())
}

func TestCredentialsFileIsPrivate(t *testing.T) {
	env := testEnvironment(t)
	c := newConfig(env)
	old := syscall.Umask(0)
	err := c.saveVault(vault{Accounts: map[string]login{"default": {Cookie: "c"}}})
	syscall.Umask(old)
	require.NoError(t, err)
	info, err := os.Stat(c.vaultPath())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	for _, perm := range []os.FileMode{0o640, 0o604, 0o660, 0o644} {
		require.NoError(t, os.Chmod(c.vaultPath(), perm))
		_, err = c.credential("")
		require.ErrorIs(t, err, errExposed, "%o", perm)
		assert.Equal(t, exitUsage, explain(err).code)
	}
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(c.vaultPath(), 0o600))
		require.NoError(t, os.Chown(c.vaultPath(), 12345, 12345))
		_, err = c.credential("")
		require.ErrorIs(t, err, errExposed, "another user's")
	}
}

func TestCredentialsFileOfJSON(t *testing.T) {
	env := testEnvironment(t)
	writeFile(t, env.userFile("credentials.json"), `{"account": {"default": {"cookie": "j"}}, "api-key": "k", "api-secret": "s"}`, 0o600)
	c := newConfig(env)
	got, err := c.credential("")
	require.NoError(t, err)
	assert.Equal(t, "j", got.cookie.reveal())
	keys, err := c.apiKeys()
	require.NoError(t, err)
	assert.Equal(t, "k s", keys.key.reveal()+" "+keys.hidden.reveal())
}

func TestDamagedCredentialsFileIsNotShown(t *testing.T) {
	for file, texts := range map[string][]string{
		"credentials.toml": {"[account.default]\ncookie = \"tops3cret", "cooky = \"tops3cret\"", "[account.default]\ncookie = [\"tops3cret\"]", "tops3cret"},
		"credentials.json": {`{"account": {"default": {"cookie": "tops3cret"`, `{"cooky": "tops3cret"}`, `{"account": "tops3cret"}`},
	} {
		for i, text := range texts {
			t.Run(fmt.Sprint(file, i), func(t *testing.T) {
				env := testEnvironment(t)
				writeFile(t, env.userFile(file), text, 0o600)
				_, err := newConfig(env).credential("")
				require.Error(t, err)
				assert.NotContains(t, err.Error(), "tops3cret")
				assert.Equal(t, exitUsage, explain(err).code)
			})
		}
	}
}

func TestAPIKeysMayComeFromDifferentPlaces(t *testing.T) {
	env := testEnvironment(t, "TERABOX_API_KEY", "k")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "s"), "hidden\n", 0o444)
	env.vars["TERABOX_API_SECRET_FILE"] = filepath.Join(dir, "s")
	keys, err := newConfig(env).apiKeys()
	require.NoError(t, err)
	assert.Equal(t, "k hidden", keys.key.reveal()+" "+keys.hidden.reveal())
}

func TestAReplacedKeyGivesWayToTheStoredOne(t *testing.T) {
	c := newConfig(testEnvironment(t, "TERABOX_API_KEY", "old", "TERABOX_API_SECRET", "old-secret"))
	require.NoError(t, c.saveVault(vault{APIKey: "new", APISecret: "new-secret", Replaced: []string{fingerprint("old")}}))
	keys, err := c.apiKeys()
	require.NoError(t, err)
	assert.Equal(t, "new new-secret", keys.key.reveal()+" "+keys.hidden.reveal())
	assert.Equal(t, "TERABOX_API_KEY", keys.stale)

	c.env.vars["TERABOX_API_KEY"] = "another"
	keys, err = c.apiKeys()
	require.NoError(t, err)
	assert.Equal(t, "another old-secret", keys.key.reveal()+" "+keys.hidden.reveal(), "only what was replaced gives way")
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := credential{account: "a", cookie: newSecret("tops3cret")}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("login", "cookie", s.cookie, "credential", s, "pointer", &s)
	}
	text, err := json.Marshal(map[string]any{"v": s.cookie})
	require.NoError(t, err)
	for _, printed := range []string{
		log.String(), string(text), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s.cookie, s.cookie, s.cookie),
		errors.Join(fmt.Errorf("%v", s)).Error(),
	} {
		assert.NotContains(t, printed, "tops3cret")
	}
	assert.Contains(t, log.String(), redacted)
}

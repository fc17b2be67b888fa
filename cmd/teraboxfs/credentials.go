package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/pelletier/go-toml/v2"
)

// login is one account's stored login.
type login struct {
	Cookie  string `toml:"cookie" json:"cookie"`               // a bare ndus value or a whole cookie string
	BaseURL string `toml:"base-url,omitempty" json:"base-url"` // where it was tried; empty is the default service
}

// vault is the credentials file: every login of this user, and the keys of the link service. TOML on
// disk; a file of JSON with the same names is read too.
type vault struct {
	Accounts  map[string]login `toml:"account" json:"account"`
	APIKey    string           `toml:"api-key,omitempty" json:"api-key"`
	APISecret string           `toml:"api-secret,omitempty" json:"api-secret"`

	// Replaced are fingerprints of keys that a regeneration has ended, so that one which is still
	// in somebody's environment is known for dead.
	Replaced []string `toml:"replaced-api-keys,omitempty" json:"replaced-api-keys"`
}

// defaultAccount names the login of people who have only one.
const defaultAccount = "default"

// errExposed is returned for a credentials file that others can read or that is not this user's.
var errExposed = errors.New("others can read it, or it is not yours")

func (c *config) vaultPath() string { return filepath.Join(c.configDir(), "credentials.toml") }

// loadVault reads the credentials file; one that is not there is empty.
func (c *config) loadVault() (vault, error) {
	v := vault{Accounts: map[string]login{}}
	for _, name := range []string{"credentials.toml", "credentials.json"} {
		path := filepath.Join(c.configDir(), name)
		data, err := readPrivate(path)
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = decodeVault(path, data, &v)
		}
		if err != nil {
			return v, &failure{op: "read", object: path, err: err, code: exitUsage,
				hint: "make it yours alone with 'chmod 600', or remove it and run 'teraboxfs login'"}
		}
		return v, nil
	}
	return v, nil
}

// decodeVault reads a credentials file of either format. A key that is not known is an error: it is a
// login that would be missed. The errors show nothing of the file's content.
func decodeVault(path string, data []byte, v *vault) error {
	var err error
	if filepath.Ext(path) == ".json" {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		err = dec.Decode(v)
	} else {
		dec := toml.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		err = dec.Decode(v)
	}
	if err != nil {
		return fmt.Errorf("it does not have the form that login writes: %w", plainDecodeError(err))
	}
	if v.Accounts == nil {
		v.Accounts = map[string]login{}
	}
	return nil
}

// plainDecodeError is a decoder's error less the excerpts of the document that it may quote.
func plainDecodeError(err error) error {
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		return fmt.Errorf("line %d, column %d", line, column)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("byte %d", syntax.Offset)
	}
	return errors.New("a key or a value in it is not known")
}

// readPrivate reads a file that only this user, or root, may own and read. Owner and mode are those of the
// file that is read, whatever happens to its name meanwhile.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o077 != 0 || (int(st.Uid) != os.Geteuid() && st.Uid != 0) {
		return nil, errExposed
	}
	return io.ReadAll(f)
}

// saveVault replaces the credentials file, 0600 from its first byte and whatever the umask is.
func (c *config) saveVault(v vault) error {
	if err := privateDir(c.configDir()); err != nil {
		return fail("write", c.vaultPath(), err)
	}
	data, err := toml.Marshal(v)
	if err != nil {
		return fail("write", c.vaultPath(), err)
	}
	return fail("write", c.vaultPath(), renameio.WriteFile(c.vaultPath(), data, 0o600, renameio.WithStaticPermissions(0o600)))
}

// credential is a login that was chosen, and where it came from.
type credential struct {
	account string // the name it goes by
	cookie  secret
	baseURL string
	origin  string // for messages: a variable or a file
	shadows string // what the login of the environment wins over, "" when nobody asked for something else
}

// credential finds the login to use: the environment, a file it names, systemd's credentials, then
// the account asked for in the credentials file, or the only or default one there. It returns
// errNoLogin when there is none.
func (c *config) credential(account string) (credential, error) {
	found := credential{account: account, baseURL: c.baseURL}
	if found.account == "" {
		found.account = defaultAccount
	}
	text, origin, err := c.secretOf("TERABOXFS_NDUS", "ndus")
	if err != nil {
		return found, err
	}
	if !text.empty() {
		found.cookie, err = parseCookie(text.reveal())
		found.origin = origin
		if err != nil {
			return found, usage("read", origin, "put the value of the ndus cookie there", "%w", err)
		}
		if account != "" {
			found.shadows = c.shadowed(account)
		}
		return found, nil
	}
	v, err := c.loadVault()
	if err != nil {
		return found, err
	}
	stored, name, ok := v.choose(account)
	if !ok {
		if account != "" && len(v.Accounts) > 0 {
			return found, &failure{op: "use account", object: account, err: errNoLogin,
				hint: "there are: " + strings.Join(slices.Sorted(maps.Keys(v.Accounts)), ", ")}
		}
		return found, errNoLogin
	}
	return c.storedCredential(name, stored), nil
}

// shadowed is what an account that was asked for by name gives way to.
func (c *config) shadowed(account string) string {
	if v, err := c.loadVault(); err == nil && v.Accounts[account].Cookie != "" {
		return "the stored login " + account
	}
	return "--account " + account + ", under which nothing is stored"
}

// storedBeside is the stored login of the account of cred, if that came from somewhere else and is another one.
func (c *config) storedBeside(cred credential) (credential, bool) {
	if cred.origin == "" || cred.origin == c.vaultPath() {
		return credential{}, false
	}
	v, err := c.loadVault()
	stored, ok := v.Accounts[cred.account]
	if err != nil || !ok || stored.Cookie == cred.cookie.reveal() {
		return credential{}, false
	}
	return c.storedCredential(cred.account, stored), true
}

// storedCredential is a login of the credentials file.
func (c *config) storedCredential(name string, stored login) credential {
	found := credential{account: name, cookie: newSecret(stored.Cookie), baseURL: c.baseURL, origin: c.vaultPath()}
	if stored.BaseURL != "" && !c.isSet("base-url") {
		found.baseURL = stored.BaseURL
	}
	return found
}

// choose picks a login by name; without one, the default or the only one.
func (v vault) choose(name string) (login, string, bool) {
	if name == "" {
		name = defaultAccount
		if names := slices.Collect(maps.Keys(v.Accounts)); len(names) == 1 {
			name = names[0]
		}
	}
	l, ok := v.Accounts[name]
	return l, name, ok
}

// linkKeys are the key and the secret of the link service, empty when there are none.
type linkKeys struct {
	key, hidden secret
	stale       string // where a key was found that a regeneration has ended, "" when none was
}

// apiKeys finds the keys of the link service: the environment, systemd, the credentials file. A key
// that 'teraboxdl regenerate' has replaced gives way to the stored one.
func (c *config) apiKeys() (linkKeys, error) {
	key, origin, err := c.secretOf("TERABOX_API_KEY", "api-key")
	if err != nil {
		return linkKeys{}, err
	}
	hidden, _, err := c.secretOf("TERABOX_API_SECRET", "api-secret")
	if err != nil {
		return linkKeys{}, err
	}
	v, err := c.loadVault()
	if err != nil {
		return linkKeys{}, err
	}
	found := linkKeys{key: key, hidden: hidden}
	switch stored := v.linkKeys(); {
	case !key.empty() && slices.Contains(v.Replaced, fingerprint(key.reveal())):
		stored.stale = origin
		return stored, nil
	case key.empty() && hidden.empty():
		return stored, nil
	case key.empty():
		found.key = stored.key
	case hidden.empty():
		found.hidden = stored.hidden
	}
	return found, nil
}

// keysBeside finds keys other than the one that the service has refused, which may have been replaced elsewhere: then those that
// were stored since are used, whatever the environment says. Without any it returns what there is.
func (c *config) keysBeside(refused string) (linkKeys, error) {
	found, err := c.apiKeys()
	if err != nil || found.key.reveal() != refused {
		return found, err
	}
	v, err := c.loadVault()
	if stored := v.linkKeys(); err == nil && !stored.key.empty() && !stored.hidden.empty() {
		return stored, nil
	}
	return found, err
}

func (v vault) linkKeys() linkKeys {
	return linkKeys{key: newSecret(v.APIKey), hidden: newSecret(v.APISecret)}
}

// fingerprint tells whether a key is one that was seen before and does not give it away.
func fingerprint(key string) string {
	sum := sha256.Sum256([]byte("teraboxfs api key\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// secretOf reads one secret: the variable, the file that the variable with _FILE names, systemd's
// credential.
func (c *config) secretOf(variable, systemdName string) (value secret, origin string, err error) {
	if text := c.env.get(variable); text != "" {
		return newSecret(strings.TrimSpace(text)), variable, nil
	}
	path, origin := c.env.get(variable+"_FILE"), variable+"_FILE"
	if path == "" && c.credentialsDirectory() != "" {
		path = filepath.Join(c.credentialsDirectory(), systemdName)
		origin = path
		if _, err := os.Stat(path); errors.Is(err, iofs.ErrNotExist) {
			path = ""
		}
	}
	if path == "" {
		return secret{}, "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return secret{}, origin, usage("read", path, "it is named by "+origin, "%w", withoutPath(err))
	}
	return newSecret(strings.TrimSpace(string(data))), origin, nil
}

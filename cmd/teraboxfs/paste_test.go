package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPastedLogins(t *testing.T) {
	const header = "browserid=abc; ndus=Yt-secret_1; lang=en"
	for name, tc := range map[string]struct{ text, want string }{
		"bare value":          {" Yt-secret_1\n", "Yt-secret_1"},
		"one cookie":          {"ndus=Yt-secret_1", "ndus=Yt-secret_1"},
		"cookie header":       {"Cookie: " + header, header},
		"header without name": {header + ";", header},
		"any case":            {"cookie:" + header, header},
		"curl of bash":        {"curl 'https://www.terabox.com/main' \\\n  -H 'accept: */*' \\\n  -b '" + header + "' \\\n  --compressed", header},
		"curl of old bash":    {"curl 'https://www.terabox.com/main' -H 'Cookie: " + header + "' -H 'x: y'", header},
		"curl, double quotes": {`curl "https://www.terabox.com" -H "cookie: ` + header + `"`, header},
		"curl, ansi quotes":   {`curl 'https://x' -H $'cookie: ` + header + `'`, header},
		"curl of cmd.exe":     {"curl ^\"https://www.terabox.com/main^\" ^\r\n  -b ^\"" + header + "^\" ^\r\n  -H ^\"accept: */*^\"", header},
		"curl, long flag":     {"curl --cookie 'ndus=a' https://x", "ndus=a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCookie(tc.text)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got.reveal())
		})
	}
	for name, text := range map[string]string{
		"nothing":             "  \n",
		"no ndus":             "Cookie: lang=en; browserid=1",
		"empty ndus":          "ndus=; lang=en",
		"two lines":           "ndus=a\r\nX-Evil: 1",
		"curl without cookie": "curl 'https://www.terabox.com' -H 'accept: */*'",
		"curl that ends":      "curl -b",
		"a sentence":          "I do not know",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseCookie(text)
			require.ErrorIs(t, err, errNoCookie)
		})
	}
}

func TestCookiesTxt(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	line := func(domain string, expires int64, name, value string) string {
		return fmt.Sprintf("%s\tTRUE\t/\tTRUE\t%d\t%s\t%s\n", domain, expires, name, value)
	}
	const later, earlier = 1_900_000_000, 1_700_000_000
	head := "# Netscape HTTP Cookie File\n\n"
	for name, tc := range map[string]struct{ text, prefer, want string }{
		"plain":            {head + line(".terabox.com", later, "ndus", "a"), "", "ndus=a"},
		"http only":        {head + line("#HttpOnly_.terabox.com", later, "ndus", "a"), "", "ndus=a"},
		"session cookie":   {head + line(".terabox.com", 0, "ndus", "a"), "", "ndus=a"},
		"with its others":  {line(".terabox.com", later, "lang", "en") + line(".terabox.com", later, "ndus", "a") + line(".other.com", later, "x", "y"), "", "lang=en; ndus=a"},
		"others run out":   {line(".terabox.com", earlier, "lang", "en") + line(".terabox.com", later, "ndus", "a"), "", "ndus=a"},
		"the site's own":   {line(".1024tera.com", later, "ndus", "a") + line(".terabox.com", later, "ndus", "b"), "www.terabox.com", "ndus=b"},
		"first of several": {line(".1024tera.com", later, "ndus", "a") + line(".terabox.com", later, "ndus", "b"), "elsewhere.net", "ndus=a"},
		"carriage returns": {".terabox.com\tTRUE\t/\tTRUE\t1900000000.5\tndus\ta\r\n", "", "ndus=a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCookiesTxt(tc.text, tc.prefer, now)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got.reveal())
		})
	}
	for name, tc := range map[string]struct{ text, says string }{
		"empty":       {head, "no ndus"},
		"no ndus":     {line(".terabox.com", later, "lang", "en"), "no ndus"},
		"expired":     {line(".terabox.com", earlier, "ndus", "a"), "expired"},
		"commented":   {"# " + line(".terabox.com", later, "ndus", "a"), "no ndus"},
		"other shape": {"ndus=a", "no ndus"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseCookiesTxt(tc.text, "", now)
			require.ErrorIs(t, err, errNoCookie)
			assert.Contains(t, err.Error(), tc.says)
		})
	}
}

func FuzzPaste(f *testing.F) {
	f.Add("curl 'https://x' -H $'cookie: ndus=a' \\\n -b \"x\\\"y\"")
	f.Add("curl ^\"https://x^\" ^\n")
	f.Add(".terabox.com\tTRUE\t/\tTRUE\t1900000000\tndus\ta")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func() (secret, error){
			func() (secret, error) { return parseCookie(text) },
			func() (secret, error) { return parseCookiesTxt(text, "", time.Unix(0, 0)) },
		} {
			got, err := parse()
			if err == nil {
				assert.NotEmpty(t, got.reveal())
				assert.NotContains(t, got.reveal(), "\n")
				assert.NotContains(t, got.reveal(), "\r")
			}
		}
	})
}

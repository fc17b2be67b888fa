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
		"padded":              {"Yt-secret_1==", "Yt-secret_1=="},
		"quoted":              {`"Yt-secret_1"`, "Yt-secret_1"},
		"curly quotes":        {"“Yt-secret_1”", "Yt-secret_1"},
		"row of a table":      {"ndus\tYt-secret_1\t.terabox.com\t/\t2027-01-01", "Yt-secret_1"},
		"name: value":         {"ndus: Yt-secret_1", "Yt-secret_1"},
		"exported JSON": {`[{"name":"x","value":"y","domain":".other.com"},{"name":"lang","value":"en","domain":".terabox.com"},
			{"name":"ndus","value":"Yt-secret_1","domain":".terabox.com"}]`, "lang=en; ndus=Yt-secret_1"},
		"exported object": {`{"url":"https://www.terabox.com","cookies":[{"name":"ndus","value":"Yt-secret_1","domain":"www.terabox.com"}]}`, "ndus=Yt-secret_1"},
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

// TestWhatIsMissingIsSaid, and nothing that may be secret.
func TestWhatIsMissingIsSaid(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"other cookies":      {"Cookie: lang=en; browserid=abc", "these were there: lang, browserid"},
		"many others":        {"a=1; b=1; c=1; d=1; e=1; f=1; g=1; h=1; i=1", "h, ..."},
		"a secret as a name": {"aVeryLongValueThatIsNoName=x", "no ndus cookie in it"},
		"another site":       {"curl 'https://www.example.com/a' -b 'sid=1'", "another site, www.example.com"},
		"another JSON":       {`[{"name":"sid","value":"1","domain":".example.com"}]`, "another site, example.com"},
		"the parent company": {"BDUSS=abc; BAIDUID=x", "of Baidu (BDUSS)"},
		"the name alone":     {"ndus", "its value is needed"},
		"an ellipsis":        {"Yt-sec…", "it is cut off"},
		"three dots":         {"lang=en; ndus=Yt-sec...", "it is cut off"},
		"an e-mail address":  {"ann@example.com", "e-mail address"},
		"odd characters":     {"ndus=Yt\u00a0sec", "characters in it that no cookie has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseCookie(tc.text)
			require.ErrorContains(t, err, tc.says)
			assert.NotContains(t, err.Error(), "Yt")
			assert.NotContains(t, err.Error(), "aVeryLong")
		})
	}
	_, err := parseCookiesTxt(".example.com\tTRUE\t/\tTRUE\t0\tndut\ta\n", "", time.Unix(0, 0))
	require.ErrorContains(t, err, "another site, example.com")
	_, err = parseCookiesTxt(".terabox.com\tTRUE\t/\tTRUE\t0\tlang\ten\n", "", time.Unix(0, 0))
	require.ErrorContains(t, err, "these were there: lang")
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
	f.Add(`[{"name":"ndus","value":"a","domain":"x"}]`)
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

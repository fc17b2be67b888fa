package remote

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

func parse(t *testing.T, s string) *url.URL {
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

func TestParseCookies(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"bare", "YabcDEF_-123", "ndus=YabcDEF_-123; lang=en"},
		{"bare with padding", "YabcDEF==", "ndus=YabcDEF==; lang=en"},
		{"named", "ndus=abc", "ndus=abc; lang=en"},
		{"header", "browserid=1; ndus=abc; lang=de", "browserid=1; ndus=abc; lang=de"},
		{"header line", "Cookie: ndus=abc; x=y\n", "ndus=abc; x=y; lang=en"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := parseCookies(tc.in)
			require.NoError(t, err)
			assert.Equal(t, tc.want, c.header())
		})
	}
	for _, in := range []string{"", "  ", "a=b; c=d", "ndus=", "two words", "ndus=a\nb"} {
		_, err := parseCookies(in)
		require.Error(t, err, "%q", in)
		if strings.TrimSpace(in) != "" {
			assert.NotContains(t, err.Error(), in)
		}
	}
}

func TestAbsorbKeepsTheCredential(t *testing.T) {
	c, err := parseCookies("ndus=abc")
	require.NoError(t, err)
	resp := &http.Response{Header: http.Header{"Set-Cookie": {
		"ndus=; Max-Age=0", "ndut_fmt=1", "lang=x; Max-Age=-1", "bad name=1",
	}}}
	c.absorb(resp)
	assert.Equal(t, "ndus=abc; ndut_fmt=1", c.header())
	c.absorb(&http.Response{Header: http.Header{"Set-Cookie": {"ndus=renewed"}}})
	assert.Equal(t, "ndus=renewed; ndut_fmt=1", c.header())
}

func TestTrust(t *testing.T) {
	for _, tc := range []struct {
		name, base, url string
		want            bool
	}{
		{"the origin", "https://www.terabox.com", "https://www.terabox.com/x", true},
		{"a sister host", "https://www.terabox.com", "https://dm-d.terabox.com/file", true},
		{"a mirror", "https://www.terabox.com", "https://c-jp.1024terabox.com/", true},
		{"the domain as a prefix", "https://www.terabox.com", "https://terabox.com.evil.example/", false},
		{"the domain as a suffix of a label", "https://www.terabox.com", "https://evilterabox.com/", false},
		{"plain http", "https://www.terabox.com", "http://www.terabox.com/", false},
		{"user information", "https://www.terabox.com", "https://x@www.terabox.com/", false},
		{"another scheme", "https://www.terabox.com", "ftp://www.terabox.com/", false},
		{"the emulator", "http://127.0.0.1:4455", "http://127.0.0.1:4455/x", true},
		{"another port of it", "http://127.0.0.1:4455", "http://127.0.0.1:4456/x", false},
		{"another address", "http://127.0.0.1:4455", "http://127.0.0.2:4455/x", false},
		{"a host of an own domain", "http://www.drive.test:8080", "http://dm.drive.test:8080/", true},
		{"a country's shared suffix", "https://drive.co.uk", "https://evil.co.uk/", false},
		{"below it", "https://www.drive.co.uk", "https://dm.drive.co.uk/", true},
		{"a single label", "http://localhost:1", "http://x.localhost:1/", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			policy, err := netguard.New(netguard.Config{Origins: []string{tc.base}})
			require.NoError(t, err)
			s := newSession(parse(t, tc.base), policy, "ua", cookies{list: []cookie{{"ndus", testCookie}}})
			assert.Equal(t, tc.want, s.trusted(parse(t, tc.url)))
			req := &http.Request{URL: parse(t, tc.url), Header: make(http.Header)}
			s.authorize(req)
			assert.Equal(t, tc.want, req.Header.Get("Cookie") != "")
			assert.Equal(t, "ua", req.Header.Get("User-Agent"))
		})
	}
}

func TestRegionBase(t *testing.T) {
	for _, tc := range []struct{ base, prefix, want string }{
		{"https://www.terabox.com", "dm", "https://dm.terabox.com"},
		{"http://www.drive.test:8080", "jp", "http://jp.drive.test:8080"},
		{"https://terabox.com", "dm", "https://dm.terabox.com"},
		{"https://www.terabox.com", "evil.com/", ""},
		{"https://www.terabox.com", "a.b", ""},
		{"https://www.terabox.com", "DM", ""},
		{"https://www.terabox.com", "", ""},
		{"https://www.terabox.com", "x@", ""},
		{"http://127.0.0.1:80", "dm", ""},
		{"http://localhost", "dm", ""},
	} {
		got := regionBase(parse(t, tc.base), tc.prefix)
		if tc.want == "" {
			assert.Nil(t, got, tc)
			continue
		}
		require.NotNil(t, got, tc)
		assert.Equal(t, tc.want, got.String())
	}
}

func TestExtractTokens(t *testing.T) {
	const token = "AB12cd34AB12cd34AB12cd34AB12cd34"
	const bds = "0123456789abcdef0123456789abcdef"
	for _, tc := range []struct {
		name, page string
		want       tokens
	}{
		{"templateData", `<script>var templateData = {"jsToken":"function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22` + token +
			`%22%29","bdstoken":"` + bds + `","uk":4400112233,"newDomain":{"host":"x"}};var other={};</script>`, tokens{js: token, bds: bds, uk: 4400112233}},
		{"uk as a string", `var templateData={"jsToken":"fn%28%22` + token + `%22%29","uk":"5"};`, tokens{js: token, uk: 5}},
		{"quoted script", "x `function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22" + token + "%22%29` y", tokens{js: token}},
		{"with bdstoken elsewhere", `fn = "window.jsToken%20%3D%20a%7D%3Bfn%28%22` + token + `%22%29"; z={"bdstoken":"` + bds + `"}`, tokens{js: token, bds: bds}},
		{"plain script", `function fn(a){window.jsToken = a};fn("` + token + `")`, tokens{js: token}},
		{"broken templateData, good script", `var templateData = {oops}; "function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22` + token + `%22%29"`, tokens{js: token}},
		{"a percent that decodes to nothing", `100% <script>function fn(a){window.jsToken = a};fn("` + token + `")</script>`, tokens{js: token}},
		{"none", `<html>welcome</html>`, tokens{}},
		{"empty token", `window.jsToken%20%3D%20a%7D%3Bfn%28%22%22%29`, tokens{}},
		{"hostile bdstoken", `var templateData = {"jsToken":"fn%28%22` + token + `%22%29","bdstoken":"a&b=c"};`, tokens{js: token}},
	} {
		t.Run(tc.name, func(t *testing.T) { assert.Equal(t, tc.want, extractTokens(tc.page)) })
	}
}

func FuzzExtractTokens(f *testing.F) {
	f.Add(`var templateData = {"jsToken":"fn%28%22AB12cd34AB12cd34%22%29","bdstoken":"x"};`)
	f.Add("window.jsToken%20%3D%20a%7D%3Bfn%28%22AB12cd34AB12cd34%22%29")
	f.Fuzz(func(t *testing.T, page string) {
		got := extractTokens(page)
		for _, s := range []string{got.js, got.bds, got.logid} {
			assert.Empty(t, strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"))
		}
	})
}

func TestScrubHidesSecrets(t *testing.T) {
	s := newSession(parse(t, "https://www.terabox.com"), nil, "ua", cookies{list: []cookie{{"ndus", testCookie}, {"lang", "en"}}})
	s.tokens = tokens{js: testToken, bds: "bdsbdsbds", minted: time.Now()}
	got := s.scrub("denied " + testCookie + " for https://d.terabox.com/file/x?sign=FDT&" + testToken + " bdsbdsbds\x1b[31m\n" + strings.Repeat("ü", 300))
	for _, secret := range []string{testCookie, testToken, "bdsbdsbds", "FDT", "\x1b", "\n"} {
		assert.NotContains(t, got, secret)
	}
	assert.Contains(t, got, "https://d.terabox.com/file/x?...")
	assert.LessOrEqual(t, len(got), maxMessage+3)
}

func TestConfigPrintsNoSecret(t *testing.T) {
	cfg := Config{BaseURL: "https://user:" + testCookie + "@x.test/?q=" + testCookie, Cookie: testCookie}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "config", cfg)
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg), log.String()} {
		assert.NotContains(t, s, testCookie)
	}
	_, err := New(cfg)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), testCookie)
}

func TestParseSettings(t *testing.T) {
	for in, want := range map[string]RateLimit{"auto": RateAuto, "off": RateOff, "5/s": RatePerSecond(5), "0.5/s": RatePerSecond(0.5), "7": RatePerSecond(7)} {
		got, err := ParseRateLimit(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		again, err := ParseRateLimit(got.String())
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
	for _, in := range []string{"", "fast", "0/s", "-1/s", "NaN/s", "Inf", "5/m"} {
		_, err := ParseRateLimit(in)
		assert.Error(t, err, in)
	}
	var d Dialect
	require.NoError(t, d.UnmarshalText([]byte("web")))
	assert.Equal(t, DialectWeb, d)
	assert.Error(t, d.UnmarshalText([]byte("Web")))
}

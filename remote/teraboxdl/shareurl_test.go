package teraboxdl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseShareURLGivesOneKey(t *testing.T) {
	domains := []string{
		"terabox.com", "www.terabox.com", "1024terabox.com", "dm.1024tera.com", "terabox.app", "teraboxapp.com", "www.nephobox.com",
		"freeterabox.com", "4funbox.com", "mirrobox.com", "momerybox.com", "terasharefile.com", "teraboxlink.com", "www.teraboxshare.com",
	}
	for _, d := range domains {
		for _, form := range []string{
			"https://" + d + "/s/1Ab-c_9", "http://" + d + "/s/1Ab-c_9/", d + "/s/1Ab-c_9", "  https://" + d + "/s/1Ab-c_9\n", "https://" + d + ":443/s/1Ab-c_9#x",
			"https://" + d + "/sharing/link?surl=Ab-c_9", "https://" + d + "/wap/share/filelist?surl=Ab-c_9", "https://" + d + "/ja/sharing/link?a=b&surl=Ab-c_9",
			"https://" + strings.ToUpper(d) + "/s/1Ab-c_9",
		} {
			key, password, err := ParseShareURL(form)
			require.NoError(t, err, form)
			assert.Equal(t, "Ab-c_9", key, form)
			assert.Empty(t, password, form)
		}
	}
	for _, form := range []string{"https://terabox.com/s/1Ab?pwd=x7Yz", "https://terabox.com/sharing/link?surl=Ab&pwd=x7Yz"} {
		key, password, err := ParseShareURL(form)
		require.NoError(t, err)
		assert.Equal(t, []string{"Ab", "x7Yz"}, []string{key, password})
	}
}

func TestParseShareURLRefusesOtherLinks(t *testing.T) {
	for _, bad := range []string{
		"", "https://", "https://example.com/s/1abc", "https://terabox.com.evil.example/s/1abc", "https://evilterabox.com/s/1abc",
		"https://terabox.com@evil.example/s/1abc", "https://u:p@terabox.com/s/1abc", "ftp://terabox.com/s/1abc", "https://terabox.com:8443/s/1abc",
		"https://terabox.com/s/abc", "https://terabox.com/s/1", "https://terabox.com/s/1a%2Fb", "https://terabox.com/s/1a/b", "https://terabox.com/s/1a b",
		"https://terabox.com/", "https://terabox.com/sharing/link", "https://terabox.com/sharing/link?surl=", "https://terabox.com/sharing/link?surl=../x",
		"https://terabox.com/s/1abc?pwd=a%20b", "https://terabox.com/s/1" + strings.Repeat("a", 200), "http://127.0.0.1:4455/s/1abc", "/s/1abc", "file:///s/1abc",
	} {
		_, _, err := ParseShareURL(bad)
		assert.ErrorIs(t, err, ErrShareURL, bad)
	}
	_, _, err := ParseShareURL("https://terabox.com/s/1abc?pwd=p%20secret")
	assert.NotContains(t, err.Error(), "secret")
}

func TestParseShareURLTakesTheConfiguredOrigin(t *testing.T) {
	key, _, err := ParseShareURL("http://127.0.0.1:4455/s/1demo", "http://127.0.0.1:4455")
	require.NoError(t, err)
	assert.Equal(t, "demo", key)
	_, _, err = ParseShareURL("http://127.0.0.1:4456/s/1demo", "http://127.0.0.1:4455")
	require.ErrorIs(t, err, ErrShareURL)
}

func FuzzParseShareURL(f *testing.F) {
	for _, s := range []string{"https://terabox.com/s/1abc?pwd=1234", "terabox.com/sharing/link?surl=x", "https://[::1]/s/1a", "%", "https://terabox.com/s/1%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, password, err := ParseShareURL(s)
		if err != nil {
			require.ErrorIs(t, err, ErrShareURL)
			return
		}
		k, p, err := ParseShareURL(ShareURL(key, password))
		require.NoError(t, err, "the one spelling must be read as itself")
		assert.Equal(t, []string{key, password}, []string{k, p})
	})
}

package teraboxdl

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// ErrShareURL is wrapped by what ParseShareURL returns for text that is no share link.
var ErrShareURL = errors.New("not a TeraBox share link")

var (
	shareKey      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	sharePassword = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)
)

// ParseShareURL returns the key of a share link and the password in it, "" when there is none.
// It takes https://DOMAIN/s/1KEY and any path with surl=KEY, such as /sharing/link and
// /wap/share/filelist, on the service's domains and on the given origins (URLs, of which the host
// and port count); the scheme may be missing. All links to one share have one key, which is what
// makes sure that no share is paid for twice: the path form carries a leading 1 that the other
// form lacks, and the key is without it (docs/protocol.md#shares).
func ParseShareURL(raw string, origins ...string) (key, password string, err error) {
	raw = strings.TrimSpace(raw)
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", "", ErrShareURL // without the text, which may hold a password
	}
	if !knownHost(u, origins) {
		return "", "", fmt.Errorf("%w: unknown host %q", ErrShareURL, u.Host)
	}
	query := u.Query()
	key = query.Get("surl")
	if short, ok := strings.CutPrefix(u.Path, "/s/"); ok {
		if key, ok = strings.CutPrefix(strings.TrimSuffix(short, "/"), "1"); !ok {
			return "", "", fmt.Errorf("%w: what follows /s/ begins with a 1", ErrShareURL)
		}
	}
	if !shareKey.MatchString(key) {
		return "", "", fmt.Errorf("%w: no key", ErrShareURL)
	}
	if password = query.Get("pwd"); password != "" && !sharePassword.MatchString(password) {
		return "", "", fmt.Errorf("%w: odd password", ErrShareURL)
	}
	return key, password, nil
}

// knownHost reports whether shares live at u.
func knownHost(u *url.URL, origins []string) bool {
	if netguard.MirrorHost(u.Hostname()) && (u.Port() == "" || u.Port() == "443" || u.Port() == "80") {
		return true
	}
	for _, o := range origins {
		if known, err := url.Parse(o); err == nil && known.Host != "" && strings.EqualFold(known.Host, u.Host) {
			return true
		}
	}
	return false
}

// ShareURL is the one spelling of a share's link that is sent to the service.
func ShareURL(key, password string) string {
	link := "https://terabox.com/s/1" + key
	if password != "" {
		link += "?pwd=" + url.QueryEscape(password)
	}
	return link
}

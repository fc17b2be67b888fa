package emulator

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// mirrorDomains are the domains the service answers under (docs/protocol.md, 1.4).
var mirrorDomains = []string{
	"terabox.com", "1024terabox.com", "1024tera.com", "terabox.app", "teraboxapp.com", "nephobox.com", "freeterabox.com",
	"4funbox.com", "mirrobox.com", "momerybox.com", "terasharefile.com", "teraboxlink.com", "teraboxshare.com",
}

// shareKeyPattern is what a share key is made of.
var shareKeyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// errShareURL is returned for a URL that names no share of this service.
var errShareURL = errors.New("not a TeraBox share link")

// parseShareURL returns the key, without the leading 1 of path forms, and the password of a share
// link: https://MIRROR/s/1KEY, or any path with surl=KEY. selfHost, the emulator's own host:port,
// counts as a mirror.
func parseShareURL(raw, selfHost string) (key, password string, err error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return "", "", fmt.Errorf("%w: %v", errShareURL, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", "", fmt.Errorf("%w: scheme %q", errShareURL, u.Scheme)
	}
	if !isMirrorHost(u.Host, selfHost) {
		return "", "", fmt.Errorf("%w: host %q", errShareURL, u.Host)
	}
	key = u.Query().Get("surl")
	if rest, ok := strings.CutPrefix(u.Path, "/s/"); ok {
		if key, ok = strings.CutPrefix(strings.TrimSuffix(rest, "/"), "1"); !ok {
			return "", "", fmt.Errorf("%w: path %q", errShareURL, u.Path)
		}
	}
	if !shareKeyPattern.MatchString(key) {
		return "", "", fmt.Errorf("%w: no share key in %q", errShareURL, raw)
	}
	return key, u.Query().Get("pwd"), nil
}

// isMirrorHost reports whether a URL's host is a known domain, one of its subdomains, or selfHost.
func isMirrorHost(host, selfHost string) bool {
	if host == "" || strings.EqualFold(host, selfHost) {
		return host != ""
	}
	if h, port, err := net.SplitHostPort(host); err == nil && (port == "443" || port == "80") {
		host = h
	}
	host = strings.ToLower(host)
	return slices.ContainsFunc(mirrorDomains, func(d string) bool {
		return host == d || strings.HasSuffix(host, "."+d)
	})
}

package remote

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// regionLabel is what a region's prefix may look like. The value comes from a response header
// and becomes part of a host name that gets the cookie, so nothing else is let through.
var regionLabel = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// parseOrigin reads an http or https URL and keeps its scheme and host.
func parseOrigin(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL") // url.Parse quotes its input, which may hold a secret
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	}
	if u.Hostname() == "" || u.User != nil {
		return nil, errors.New("it must name a host and no user")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// originOf is for messages: scheme and host of a URL, without what may be secret.
func originOf(s string) string {
	u, err := parseOrigin(s)
	if err != nil {
		return "?"
	}
	return u.String()
}

// registrable is the domain a site owns as a whole: the last two labels of host, or three where
// the last two are a country's shared suffix such as co.uk. It is "" for an address and for a
// name of one label, which own nothing below themselves. The service's own domains are all of
// the first kind; the rule for the rest errs towards trusting fewer hosts.
func registrable(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	labels := strings.Split(host, ".")
	n := len(labels)
	if n < 2 {
		return ""
	}
	keep := 2
	if len(labels[n-1]) == 2 && len(labels[n-2]) <= 3 {
		keep = 3
	}
	if n < keep || strings.Trim(labels[n-1], "0123456789") == "" {
		return ""
	}
	return strings.Join(labels[n-keep:], ".")
}

// sameSite reports whether u belongs to the account: the configured origin itself, or a host
// under its registrable domain. A site configured with https is never trusted over http.
func sameSite(configured, u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return false
	}
	if configured.Scheme == "https" && u.Scheme != "https" {
		return false
	}
	if sameOrigin(configured, u) {
		return true
	}
	domain := registrable(configured.Hostname())
	host := strings.ToLower(u.Hostname())
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// regionBase is the base of the region called prefix: same scheme and port, and the prefix in
// front of the registrable domain. It is nil when the prefix is no plain label or when the base
// owns no domain.
func regionBase(base *url.URL, prefix string) *url.URL {
	domain := registrable(base.Hostname())
	if domain == "" || !regionLabel.MatchString(prefix) {
		return nil
	}
	host := prefix + "." + domain
	if p := base.Port(); p != "" {
		host = net.JoinHostPort(host, p)
	}
	return &url.URL{Scheme: base.Scheme, Host: host}
}

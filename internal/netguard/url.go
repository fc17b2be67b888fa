package netguard

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// mirrorDomains are the service's own domains (docs/protocol.md#base-host): a cookie obtained on
// one is good on the others, and download and upload hosts live under them.
var mirrorDomains = []string{
	"terabox.com", "1024terabox.com", "1024tera.com", "terabox.app", "teraboxapp.com",
	"nephobox.com", "freeterabox.com", "4funbox.com", "mirrobox.com", "momerybox.com",
	"terasharefile.com", "teraboxlink.com", "teraboxshare.com",
}

// MirrorHost reports whether host (no port) is one of the service's domains or lies under one.
func MirrorHost(host string) bool {
	host = canonicalHost(host)
	for _, d := range mirrorDomains {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

// CheckURL returns nil when a request may be made to u, and otherwise an error that wraps
// ErrRefused. A name is judged when it is resolved, by DialContext; a literal address at once.
func (p *Policy) CheckURL(u *url.URL) error {
	if err := checkForm(u); err != nil {
		return err
	}
	o := originOf(u)
	if p.exempt(o.host, o.port) {
		return nil
	}
	if a, err := netip.ParseAddr(o.host); err == nil {
		if why := local(a); why != "" {
			return fmt.Errorf("%w: %s is %s", ErrRefused, a, why)
		}
	}
	return nil
}

// CheckStep returns nil when a request may go on from one URL to another: a redirect, or a link
// found in the answer of from. It refuses what CheckURL refuses, and leaving https for http
// unless to is a configured origin.
func (p *Policy) CheckStep(from, to *url.URL) error {
	if err := p.CheckURL(to); err != nil {
		return err
	}
	if strings.EqualFold(from.Scheme, "https") && strings.EqualFold(to.Scheme, "http") && !p.has(p.allow, to) {
		return fmt.Errorf("%w: %s would leave https for http", ErrRefused, to.Hostname())
	}
	return nil
}

// CookieAllowed reports whether the account's cookie may be sent with a request to u: to a
// configured origin, scheme and port included, and, when the account lives on one of the
// service's own domains, to any of these over https.
func (p *Policy) CookieAllowed(u *url.URL) bool {
	if checkForm(u) != nil {
		return false
	}
	if p.has(p.origins, u) {
		return true
	}
	o := originOf(u)
	return p.mirrors && o.scheme == "https" && o.port == "443" && MirrorHost(o.host)
}

// IsOrigin reports whether u has scheme, host and port of a configured origin.
func (p *Policy) IsOrigin(u *url.URL) bool { return checkForm(u) == nil && p.has(p.origins, u) }

func (p *Policy) has(list []origin, u *url.URL) bool {
	want := originOf(u)
	for _, o := range list {
		if o == want {
			return true
		}
	}
	return false
}

// checkForm refuses what is not a plain http or https URL with a host.
func checkForm(u *url.URL) error {
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme != "http" && scheme != "https":
		return fmt.Errorf("%w: scheme %q", ErrRefused, shorten(u.Scheme))
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: no host", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: user information in the URL", ErrRefused)
	}
	return nil
}

// shorten keeps a hostile string from filling a log line.
func shorten(s string) string {
	if len(s) > 20 {
		return s[:20] + "..."
	}
	return s
}

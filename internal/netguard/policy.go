package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrRefused is wrapped by every error that means "this policy does not allow it". Trying again
// does not help.
var ErrRefused = errors.New("address not allowed")

// Config is what a Policy is made of. The entries are URLs of which only scheme, host and port
// count.
type Config struct {
	// Origins are the services the user configured: exempt from the address rule and trusted
	// with the cookie. The first one is the account's own.
	Origins []string

	// Allow lists further origins that are exempt from the address rule but never see a cookie.
	Allow []string
}

// Policy answers what may be connected to. It does not change after New.
type Policy struct {
	origins []origin // may see the cookie
	allow   []origin // origins and Allow: exempt from the address rule
	mirrors bool     // the account lives on one of the service's own domains
	dialer  net.Dialer
}

// origin is a scheme, host and port in the form they are compared in.
type origin struct {
	scheme string
	host   string // lower case, no trailing dot, IPv6 without brackets, IP literals canonical
	port   string
}

// New returns the policy of cfg. It returns an error for an origin that is not an http or https
// URL with a host.
func New(cfg Config) (*Policy, error) {
	p := &Policy{dialer: net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}}
	for i, raw := range cfg.Origins {
		o, err := parseOrigin(raw)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			p.mirrors = o.scheme == "https" && MirrorHost(o.host)
		}
		p.origins = append(p.origins, o)
	}
	p.allow = append(p.allow, p.origins...)
	for _, raw := range cfg.Allow {
		o, err := parseOrigin(raw)
		if err != nil {
			return nil, err
		}
		p.allow = append(p.allow, o)
	}
	return p, nil
}

func parseOrigin(raw string) (origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return origin{}, fmt.Errorf("origin: %w", errors.Unwrap(err)) // the outer error repeats the whole URL
	}
	if err := checkForm(u); err != nil {
		return origin{}, fmt.Errorf("origin: %w", err)
	}
	return originOf(u), nil
}

// originOf returns the origin of a URL that passed checkForm.
func originOf(u *url.URL) origin {
	o := origin{scheme: strings.ToLower(u.Scheme), host: canonicalHost(u.Hostname()), port: u.Port()}
	if o.port == "" {
		o.port = "80"
		if o.scheme == "https" {
			o.port = "443"
		}
	}
	return o
}

// canonicalHost gives the two spellings of one host one form: case, the dot at the end, and the
// many ways to write an IPv6 address. It does not fold a mapped IPv4 address into IPv4; that is
// another spelling than the one configured.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	return host
}

// exempt reports whether host and port, as they stand in a URL, are those of an allowed origin.
func (p *Policy) exempt(host, port string) bool {
	host = canonicalHost(host)
	for _, o := range p.allow {
		if o.host == host && o.port == port {
			return true
		}
	}
	return false
}

// DialContext connects to addr (host:port) if the policy allows the address its name resolves
// to; it is meant for http.Transport. An address that is not allowed is skipped, and when no
// other is left the error wraps ErrRefused.
func (p *Policy) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", addr, err)
	}
	d := p.dialer
	exempt := p.exempt(host, port)
	d.Control = func(network, address string, c syscall.RawConn) error {
		if !exempt {
			if err := refuseLocal(network, address); err != nil {
				return err
			}
		}
		return noticeDeath(c)
	}
	return d.DialContext(ctx, network, addr)
}

// refuseLocal is called after the name was resolved and the socket made, before the connection is.
// This is what makes a name that changes its answer harmless.
func refuseLocal(network, address string) error {
	switch network {
	case "tcp4", "tcp6":
	default:
		return fmt.Errorf("%w: network %s", ErrRefused, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no address", ErrRefused, address)
	}
	if why := local(ap.Addr()); why != "" {
		return fmt.Errorf("%w: %s is %s", ErrRefused, ap.Addr(), why)
	}
	return nil
}

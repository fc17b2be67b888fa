package remote

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	maxClusters  = 4 // upload hosts one part is sent to before the account is taken for unknown
	hostsDefault = 10 * time.Minute
	hostsMin     = time.Minute
	hostsMax     = time.Hour
)

// uploadHosts are the hosts that take parts, best first, until they expire.
type uploadHosts struct {
	now      func() time.Time
	locating *Flights[[]*url.URL] // one for all parts that wait, who share its failure as well

	mu      sync.Mutex
	hosts   []*url.URL // guarded by mu; replaced, never changed in place
	expires time.Time  // guarded by mu
}

// newUploadHosts returns an empty list; locating takes at most limit.
func newUploadHosts(now func() time.Time, limit time.Duration) uploadHosts {
	return uploadHosts{now: now, locating: NewFlights[[]*url.URL](limit)}
}

// pick is the host for the turn-th attempt at a part; locate is called when none is known. A
// failure to locate is a finalError: locate has a patience of its own, and another one for each
// attempt at each part would add up to minutes.
func (u *uploadHosts) pick(ctx context.Context, turn int, locate func(context.Context) ([]*url.URL, error)) (*url.URL, error) {
	hosts := u.known()
	if len(hosts) == 0 {
		var err error
		hosts, err = u.locating.Do(ctx, "", func(ctx context.Context) ([]*url.URL, error) {
			if hosts := u.known(); len(hosts) > 0 { // located between the look above and here
				return hosts, nil
			}
			return locate(ctx)
		})
		if err != nil {
			if errorOf(err) == nil {
				err = interrupted("locateupload", "", err)
			}
			return nil, &finalError{err}
		}
	}
	return hosts[turn%len(hosts)], nil
}

// forget has the hosts located anew.
func (u *uploadHosts) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hosts = nil
}

// known are the hosts that have not expired. The slice is never changed in place.
func (u *uploadHosts) known() []*url.URL {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.now().Before(u.expires) {
		return nil
	}
	return u.hosts
}

func (u *uploadHosts) set(hosts []*url.URL, lifetime time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hosts, u.expires = hosts, u.now().Round(0).Add(lifetime)
}

// reject forgets a host that does not know the account.
func (u *uploadHosts) reject(host *url.URL) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := make([]*url.URL, 0, len(u.hosts))
	for _, h := range u.hosts {
		if h.Host != host.Host {
			kept = append(kept, h)
		}
	}
	u.hosts = kept
}

// wrongCluster reports whether an upload host does not know the account: it is another region's,
// or the cookie is bad, which the API hosts will tell.
func wrongCluster(err error) bool {
	e := errorOf(err)
	return e != nil && (e.Errno == 31 || e.Errno == 31045)
}

// locateUpload asks the service which hosts take this account's parts, and remembers them. There
// is at least one.
func (c *Client) locateUpload(ctx context.Context) ([]*url.URL, error) {
	var out struct {
		envelope
		Host   flexText   `json:"host"`
		Server []flexText `json:"server"`
		Expire flexInt    `json:"expire"`
	}
	err := c.call(ctx, request{
		op: "locateupload", path: "/rest/2.0/pcs/file", bare: true, query: url.Values{"method": {"locateupload"}},
	}, &out)
	if err != nil {
		return nil, err
	}
	names := []string{string(out.Host)}
	for _, s := range out.Server {
		names = append(names, string(s))
	}
	hosts := c.usableHosts(names)
	if len(hosts) == 0 {
		return nil, &Error{Op: "locateupload", Object: tidy(string(out.Host)), Kind: ErrAddress, Msg: "no upload host belongs to the account's site"}
	}
	lifetime := hostsDefault
	if out.Expire.set && out.Expire.n > 0 && out.Expire.n < int64(hostsMax/time.Second) {
		lifetime = time.Duration(out.Expire.n) * time.Second
	}
	c.uploads.set(hosts, min(hostsMax, max(hostsMin, lifetime)))
	return hosts, nil
}

// usableHosts turns what locateupload names into URLs. Parts need the cookie, so only hosts that
// may see it count; one on another domain is looked for under our own by its first label, which
// is how the service's domains mirror each other.
func (c *Client) usableHosts(names []string) []*url.URL {
	base := c.session.state().base
	var hosts []*url.URL
	seen := make(map[string]bool)
	for _, name := range names {
		u := c.uploadHost(base, name)
		if u != nil && !seen[u.Host] {
			seen[u.Host] = true
			hosts = append(hosts, u)
		}
	}
	return hosts
}

// uploadHost is the origin behind a host name, a whole origin or a bare label; nil when it is not
// to be trusted.
func (c *Client) uploadHost(base *url.URL, name string) *url.URL {
	name = strings.ToLower(strings.TrimSpace(name))
	label, isURL := name, strings.Contains(name, "://")
	if name == "" {
		return nil
	}
	if isURL || strings.ContainsAny(name, ".:") {
		if !isURL {
			name = base.Scheme + "://" + name
		}
		u, err := parseOrigin(name)
		if err != nil {
			return nil
		}
		if c.session.trusted(u) {
			return u
		}
		label, _, _ = strings.Cut(u.Hostname(), ".")
		if net.ParseIP(u.Hostname()) != nil {
			return nil
		}
	}
	u := regionBase(base, label)
	if u == nil || !c.session.trusted(u) {
		return nil
	}
	return u
}

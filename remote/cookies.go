package remote

import (
	"errors"
	"net/http"
	"strings"
)

// cookies are the account's, in the order they were given. They belong to one site; who may see
// them is decided by sameSite, not here. Not safe for concurrent use: session.mu guards them.
type cookies struct {
	list []cookie
}

type cookie struct{ name, value string }

// parseCookies takes a bare ndus value or the content of a Cookie header. lang=en is added when
// missing, because the service words some messages by it.
func parseCookies(s string) (cookies, error) {
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "cookie:") {
		s = strings.TrimSpace(s[7:])
	}
	var c cookies
	if s == "" {
		return c, errors.New("no cookie")
	}
	if !strings.ContainsAny(s, "=;") || isBareValue(s) {
		if strings.ContainsAny(s, " \t") {
			return c, errors.New("an ndus value has no spaces")
		}
		s = "ndus=" + s
	}
	parsed, err := http.ParseCookie(s)
	if err != nil {
		return c, errors.New("neither an ndus value nor a Cookie header") // never quotes its input
	}
	for _, p := range parsed {
		c.set(p.Name, p.Value)
	}
	if c.get("ndus") == "" {
		return c, errors.New("the Cookie header has no ndus")
	}
	if c.get("lang") == "" {
		c.set("lang", "en")
	}
	return c, nil
}

// isBareValue tells a value with base64 padding from name=value.
func isBareValue(s string) bool {
	bare := strings.TrimRight(s, "=")
	return bare != s && bare != "ndus" && !strings.ContainsAny(bare, "=;")
}

func (c *cookies) get(name string) string {
	for _, k := range c.list {
		if k.name == name {
			return k.value
		}
	}
	return ""
}

func (c *cookies) set(name, value string) {
	for i := range c.list {
		if c.list[i].name == name {
			c.list[i].value = value
			return
		}
	}
	c.list = append(c.list, cookie{name, value})
}

func (c *cookies) remove(name string) {
	for i := range c.list {
		if c.list[i].name == name {
			c.list = append(c.list[:i:i], c.list[i+1:]...)
			return
		}
	}
}

// maxCookies bounds what answers may add, so that a broken server cannot grow every request.
const maxCookies = 64

// absorb takes the Set-Cookie headers of an answer of the site. ndus is the user's credential:
// it can be renewed but not taken away, or one odd answer would log the account out for good.
func (c *cookies) absorb(resp *http.Response) {
	for _, k := range resp.Cookies() {
		gone := k.MaxAge < 0 || k.Value == ""
		switch {
		case k.Name == "ndus" && gone:
		case gone:
			c.remove(k.Name)
		case len(k.Value) <= 4096 && (c.get(k.Name) != "" || len(c.list) < maxCookies):
			c.set(k.Name, k.Value)
		}
	}
}

// header is the value of the Cookie header.
func (c *cookies) header() string {
	parts := make([]string, len(c.list))
	for i, k := range c.list {
		parts[i] = k.name + "=" + k.value
	}
	return strings.Join(parts, "; ")
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// errCut is returned for a value that somebody's program has shortened to show it.
var errCut = errors.New("it is cut off, there is an ellipsis in it; copy the whole value")

// pasted is one cookie of a text.
type pasted struct{ name, value string }

// splitCookies reads name=value pairs between semicolons.
func splitCookies(text string) (all []pasted) {
	for _, pair := range strings.Split(text, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			all = append(all, pasted{name, value})
		}
	}
	return all
}

// checkNdus says what is wrong with the value of a login cookie, as far as that can be seen; it never repeats it.
func checkNdus(value string) error {
	switch {
	case strings.Contains(value, "…"), strings.Contains(value, "..."):
		return errCut
	case value == "ndus":
		return fmt.Errorf("that is the name of the cookie, its value is needed: %w", errNoCookie)
	case strings.Contains(value, "@"):
		return fmt.Errorf("that looks like an e-mail address; the cookie of a browser that is logged in is needed: %w", errNoCookie)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",\`, r) }):
		return errors.New("there are characters in it that no cookie has; copy the value alone, or the whole header")
	}
	return nil
}

// shownName is what a message may show as the name of a cookie: not what may be a value in the wrong place.
var shownName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,23}$`)

// without is the error for cookies among which there is no login; site is the host that they are of, "" when that is not known.
func without(cookies []pasted, site string) error {
	var names []string
	for _, c := range cookies {
		if shownName.MatchString(c.name) && !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	if len(names) > 8 {
		names = append(names[:8], "...")
	}
	switch {
	case slices.Contains(names, "BDUSS"):
		return fmt.Errorf("%w: these are of Baidu (BDUSS); TeraBox has its own", errNoCookie)
	case site != "" && !netguard.MirrorHost(site):
		return fmt.Errorf("%w: it is of another site, %s", errNoCookie, oneLine(site))
	case len(names) > 0:
		return fmt.Errorf("%w; these were there: %s", errNoCookie, strings.Join(names, ", "))
	}
	return errNoCookie
}

// siteOfCurl is the host that a curl command asks, "" when it cannot be told.
func siteOfCurl(words []string) string {
	for _, word := range words {
		if u, err := url.Parse(word); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			return u.Hostname()
		}
	}
	return ""
}

// unwrapped takes a login out of what lies around it when somebody copies it: quotes, the row of a table of cookies, "ndus: ".
func unwrapped(text string) string {
	for _, quotes := range []string{`""`, `''`, "“”", "``"} {
		q := []rune(quotes)
		if rest, ok := strings.CutPrefix(text, string(q[0])); ok {
			if inner, ok := strings.CutSuffix(rest, string(q[1])); ok {
				text = inner
			}
		}
	}
	if name, rest, ok := strings.Cut(text, "\t"); ok && strings.TrimSpace(name) == "ndus" {
		value, _, _ := strings.Cut(rest, "\t")
		return strings.TrimSpace(value)
	}
	if name, value, ok := strings.Cut(text, ":"); ok && strings.TrimSpace(name) == "ndus" {
		return strings.TrimSpace(value)
	}
	return text
}

// cookiesOfJSON reads what extensions of browsers export: an array of cookies, or an object that holds one. ok is false for anything else.
func cookiesOfJSON(text string) (header, site string, ok bool) {
	type exported struct{ Name, Value, Domain string }
	var all []exported
	if json.Unmarshal([]byte(text), &all) != nil {
		var in struct{ Cookies []exported }
		if json.Unmarshal([]byte(text), &in) != nil || in.Cookies == nil {
			return "", "", false
		}
		all = in.Cookies
	}
	of := "" // the domain of the login; its other cookies belong to it
	for _, c := range all {
		if c.Name == "ndus" && (of == "" || netguard.MirrorHost(strings.TrimPrefix(c.Domain, "."))) {
			of = c.Domain
		}
		site = strings.TrimPrefix(c.Domain, ".")
	}
	var pairs []string
	for _, c := range all {
		if of == "" || c.Domain == of {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; "), site, true
}

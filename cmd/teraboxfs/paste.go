package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// errNoCookie is returned when a text that should hold a login holds none.
var errNoCookie = errors.New("no ndus cookie in it")

// parseCookie finds the login in what a person pastes: a bare ndus value, a Cookie header with or
// without its name, the "copy as cURL" of a browser, a row of its table of cookies, or the JSON of an extension. The result is a bare ndus
// value or a whole cookie string, fit for remote.Config.Cookie; the error says what is missing.
func parseCookie(text string) (secret, error) {
	text, site := strings.TrimSpace(text), ""
	if header, of, ok := cookiesOfJSON(text); ok {
		text, site = header, of
	} else if rest, ok := strings.CutPrefix(text, "curl "); ok {
		words := shellWords(rest)
		header, err := cookieOfCurl(words)
		if err != nil {
			return secret{}, err
		}
		text, site = header, siteOfCurl(words)
	}
	text = unwrapped(text)
	if name, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(strings.TrimSpace(name), "cookie") {
		text = strings.TrimSpace(value)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return secret{}, fmt.Errorf("a cookie is one line: %w", errNoCookie)
	}
	if bare := strings.TrimRight(text, "="); !strings.ContainsAny(bare, "=; ") && bare != "" && (bare == text || bare != "ndus") {
		return newSecret(text), checkNdus(text) // padding may be at its end
	}
	cookies := splitCookies(text)
	for _, c := range cookies {
		if c.name == "ndus" && c.value != "" {
			return newSecret(strings.Trim(text, "; ")), checkNdus(c.value)
		}
	}
	return secret{}, without(cookies, site)
}

// cookieOfCurl is the cookie string of a curl command line: of -b or --cookie, or of a -H header.
func cookieOfCurl(words []string) (string, error) {
	for i, word := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case word == "-b" || word == "--cookie":
			return next, nil
		case word == "-H" || word == "--header":
			if name, value, ok := strings.Cut(next, ":"); ok && strings.EqualFold(name, "cookie") {
				return strings.TrimSpace(value), nil
			}
		}
	}
	return "", fmt.Errorf("the curl command sends no cookie: %w", errNoCookie)
}

// shellWords splits a command line as bash does, as far as browsers write it: '...', "...", $'...' and
// backslashes. The form for cmd.exe (^" and ^ at line ends) is read too.
func shellWords(line string) []string {
	if strings.Contains(line, `^"`) {
		line = strings.NewReplacer("^\r\n", " ", "^\n", " ", `^\^"`, `\"`, "^", "").Replace(line)
	}
	var words []string
	for {
		line = strings.TrimLeft(strings.ReplaceAll(line, "\\\n", " "), " \t\r\n")
		if line == "" {
			return words
		}
		var word string
		word, line = nextWord(line)
		words = append(words, word)
	}
}

// nextWord takes the first word off a line that does not begin with white space.
func nextWord(line string) (word, rest string) {
	var b strings.Builder
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			return b.String(), line[i:]
		case c == '\'':
			n := copyQuoted(&b, line[i+1:], '\'', false)
			i += n + 1
		case c == '"':
			n := copyQuoted(&b, line[i+1:], '"', true)
			i += n + 1
		case strings.HasPrefix(line[i:], "$'"):
			n := copyQuoted(&b, line[i+2:], '\'', true)
			i += n + 2
		case c == '\\' && i+1 < len(line):
			b.WriteByte(line[i+1])
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), ""
}

// copyQuoted copies s up to the quote that ends it and returns how much of s that was, the quote
// included. With escapes, a backslash protects the next byte.
func copyQuoted(b *strings.Builder, s string, quote byte, escapes bool) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1
		case escapes && s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return len(s)
}

// parseCookiesTxt finds the login in a cookies.txt of Netscape's format, as browsers' extensions and
// curl -c write it. When several sites in it have an ndus cookie, the one of prefer wins, then the
// first. Cookies whose time is over by now are left out.
func parseCookiesTxt(text, prefer string, now time.Time) (secret, error) {
	jars := map[string][]string{} // "name=value" by domain
	var domains []string          // those with an ndus
	var others []pasted           // of the service's domains
	site, expired := "", false
	for _, line := range strings.Split(text, "\n") {
		domain, name, value, expires, ok := cookieLine(line)
		if !ok {
			continue
		}
		if expires != 0 && expires < now.Unix() {
			expired = expired || name == "ndus"
			continue
		}
		jars[domain] = append(jars[domain], name+"="+value)
		if netguard.MirrorHost(domain) || site == "" {
			site = domain
		}
		if netguard.MirrorHost(domain) {
			others = append(others, pasted{name, value})
		}
		if name == "ndus" {
			domains = append(domains, domain)
		}
	}
	if len(domains) == 0 {
		if expired {
			return secret{}, fmt.Errorf("its ndus cookie has expired: %w", errNoCookie)
		}
		return secret{}, without(others, site)
	}
	chosen := domains[0]
	for _, domain := range domains {
		if prefer == domain || strings.HasSuffix(prefer, "."+domain) {
			chosen = domain
		}
	}
	return parseCookie(strings.Join(jars[chosen], "; "))
}

// cookieLine reads one line: domain, subdomains too, path, secure, expiry, name and value, between
// tabs. A "#" begins a comment, except in "#HttpOnly_".
func cookieLine(line string) (domain, name, value string, expires int64, ok bool) {
	line = strings.TrimSuffix(line, "\r")
	line = strings.TrimPrefix(line, "#HttpOnly_")
	fields := strings.Split(line, "\t")
	if strings.HasPrefix(line, "#") || len(fields) != 7 {
		return "", "", "", 0, false
	}
	seconds, err := strconv.ParseFloat(fields[4], 64) // some extensions write a fraction
	if err != nil {
		return "", "", "", 0, false
	}
	return strings.TrimPrefix(fields[0], "."), fields[5], fields[6], int64(seconds), true
}

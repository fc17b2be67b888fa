package httptrace

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// hidden stands for a value that is left out.
const hidden = "[hidden]"

// shortestSecret is how long a value must be to be looked for elsewhere: shorter ones are words that occur by chance.
const shortestSecret = 12

// redactor leaves out what opens an account. Safe for concurrent use.
type redactor struct {
	mu      sync.Mutex
	secrets map[string]bool // every form of every value that was left out; guarded by mu
}

// hide returns what stands for a value, and remembers the value.
func (r *redactor) hide(value string) string {
	if value == "" {
		return ""
	}
	if len(value) >= shortestSecret {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.secrets == nil {
			r.secrets = make(map[string]bool)
		}
		if len(r.secrets) < 100_000 {
			for _, form := range forms(value) {
				r.secrets[form] = true
			}
		}
	}
	return hidden
}

// forms are the ways in which a value may be written.
func forms(value string) []string {
	asJSON, _ := json.Marshal(value) // a string has no error
	all := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.Trim(string(asJSON), `"`)}
	if plain, err := url.QueryUnescape(value); err == nil && len(plain) >= shortestSecret {
		all = append(all, plain, url.QueryEscape(plain))
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for pad := range 3 { // where it begins in the encoded bytes; the characters at both ends mix with what stands beside
			text := encoding.EncodeToString(append(make([]byte, pad), value...))
			from, to := (pad*8+5)/6, len(text)-1
			if to-from >= shortestSecret-4 {
				all = append(all, text[from:to])
			}
		}
	}
	return all
}

// scrub leaves known secrets out of a text.
func (r *redactor) scrub(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make([]string, 0, 4)
	for s := range r.secrets {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	for _, s := range found {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
}

// values returns the parameters of a query or a form.
func (r *redactor) values(raw string) string {
	var out []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || ok && !params[strings.ToLower(plain)] {
			r.hide(unescaped(value))
			value = r.hide(value)
		}
		if ok {
			name += "="
		}
		out = append(out, name+value)
	}
	return strings.Join(out, "&")
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// address returns a URL with its query cleaned. User and password are left out.
func (r *redactor) address(u *url.URL) string {
	clean := *u
	if u.User != nil {
		r.hide(u.User.String())
		clean.User = nil
	}
	if clean.Fragment != "" {
		clean.Fragment = r.hide(clean.Fragment)
	}
	if before, key, ok := strings.Cut(u.Path, "/s/"); ok { // whoever has the key of a share has the share
		r.hide(strings.TrimPrefix(key, "1"))
		clean.Path, clean.RawPath = before+"/s/"+r.hide(key), ""
	}
	clean.RawQuery = r.values(u.RawQuery)
	return clean.String()
}

// header returns the lines of a header, each after mark.
func (r *redactor) header(mark string, h http.Header) string {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var out strings.Builder
	for _, name := range names {
		for _, value := range h[name] {
			switch {
			case name == "Cookie" || name == "Set-Cookie":
				value = r.cookies(value)
			case name == "Location" || name == "Referer" || name == "Origin":
				value = r.link(value)
			case !headers[strings.ToLower(name)]:
				value = r.hide(value)
			}
			fmt.Fprintf(&out, "%s %s: %s\n", mark, name, value)
		}
	}
	return out.String()
}

// cookies shows the names of cookies.
func (r *redactor) cookies(value string) string {
	var out []string
	for pair := range strings.SplitSeq(value, ";") {
		name, secret, ok := strings.Cut(strings.TrimSpace(pair), "=")
		switch strings.ToLower(name) {
		case "lang", "path", "domain", "expires", "max-age", "samesite":
			out = append(out, name+"="+secret)
			continue
		}
		if ok {
			name += "="
		}
		out = append(out, name+r.hide(secret))
	}
	return strings.Join(out, "; ")
}

// link returns an address as text with its query cleaned; what is none is left out.
func (r *redactor) link(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return r.hide(text)
	}
	return r.address(u)
}

// md5Text is what a digest looks like, plain or scrambled.
var md5Text = regexp.MustCompile(`^[0-9a-v]{32}$`)

// body returns a body as text: JSON and forms cleaned, of anything else the length.
func (r *redactor) body(kind string, data []byte, whole bool) string {
	switch {
	case len(data) == 0:
		return ""
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded") && whole:
		return r.values(string(data)) + "\n"
	case !whole:
		return fmt.Sprintf("(more than %d bytes)\n", len(data))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return fmt.Sprintf("(%d bytes that are no JSON)\n", len(data))
	}
	out, err := json.Marshal(r.value("", v))
	if err != nil {
		return fmt.Sprintf("(%d bytes)\n", len(data))
	}
	return string(out) + "\n"
}

// value cleans a value of JSON that stands under name.
func (r *redactor) value(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, below := range v {
			shown := key
			if _, known := below.(string); !known && len(key) > longest && strings.ContainsAny(key, "/?=") {
				shown = r.link(key) // filediff has paths for keys
			}
			clean[shown] = r.value(key, below)
		}
		return clean
	case []any:
		clean := make([]any, len(v))
		for i := range v {
			clean[i] = r.value(name, v[i])
		}
		return clean
	case string:
		switch {
		case fields[strings.ToLower(name)] && !strings.Contains(v, "://"), len(v) <= longest && !secretName(name), md5Text.MatchString(v):
			return v
		case strings.Contains(v, "://") && !secretName(name):
			return r.link(v)
		}
		return r.hide(v)
	}
	if _, number := v.(json.Number); number && strings.EqualFold(name, "uk") {
		return hidden // whose account it is
	}
	return v
}

// secretName says whether a field of this name is left out even when it is short.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"token", "sign", "secret", "key", "pass", "pwd", "cookie", "sekey", "randsk", "mail", "phone", "uname", "user", "nick", "avatar"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

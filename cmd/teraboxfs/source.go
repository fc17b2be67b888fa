package main

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/teraboxfs/teraboxfs/shares"
)

// sourceKind says which of the rooms answers for a source.
type sourceKind int

const (
	sourceAccount sourceKind = iota // the drive of an account
	sourceShare                     // a share link, through the link service
	sourceShares                    // all saved shares, a directory each
	sourceDemo                      // the emulator in this process
)

// source is the SOURCE argument, taken apart.
type source struct {
	kind    sourceKind
	text    string // as given
	account string // sourceAccount: the name before the colon, "" when there was none
	path    string // the path of the drive, or in the share, to mount
	url     string // sourceShare: the link, "" for a saved one
	share   string // sourceShare: the name of a saved one, "" for a link
	dataDir string // sourceDemo: where the emulator keeps its data
}

var accountName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]*$`)

// parseSource reads [ACCOUNT:]/PATH, an address of a share, or demo:DIR.
func parseSource(text string) (source, error) {
	s := source{text: text, path: "/"}
	const forms = "SOURCE is [ACCOUNT:]/PATH, a share's https://.../s/1KEY, share:NAME, shares:, or demo:DIR"
	switch {
	case text == "":
		return s, usage("mount", `""`, forms, "the source is empty")
	case strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://"):
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return s, usage("mount", text, forms, "not an address")
		}
		s.kind, s.url = sourceShare, text
		return s, nil
	case strings.HasPrefix(text, "demo:"):
		s.kind, s.dataDir = sourceDemo, strings.TrimPrefix(text, "demo:")
		if s.dataDir == "" {
			return s, usage("mount", text, "write demo:DIR; 'teraboxfs demo' needs no directory", "demo: needs a directory for its data")
		}
		return s, nil
	case strings.HasPrefix(text, "share:"):
		name, below, _ := strings.Cut(strings.TrimPrefix(text, "share:"), "/")
		s.kind, s.share, s.path = sourceShare, name, path.Clean("/"+below)
		if err := shares.CheckName(s.share); err != nil {
			return s, usage("mount", text, "write share:NAME or share:NAME/DIR; 'teraboxfs share list' lists the names", "%w", err)
		}
		return s, nil
	case text == "shares:":
		s.kind = sourceShares
		return s, nil
	case strings.HasPrefix(text, "shares:"):
		return s, usage("mount", text, "shares: is all saved shares, share:NAME is one", "nothing follows shares:")
	}
	account, rest, ok := strings.Cut(text, ":")
	if !ok || strings.HasPrefix(text, "/") {
		account, rest = "", text
	}
	if account != "" && !accountName.MatchString(account) {
		return s, usage("mount", text, forms, "%q is not the name of an account", account)
	}
	if rest == "" {
		rest = "/"
	}
	if !strings.HasPrefix(rest, "/") {
		return s, usage("mount", text, forms, "%q is not an absolute path of the drive", rest)
	}
	s.account, s.path = account, path.Clean(rest)
	return s, nil
}

// label is the source as given, for messages, less what may be secret in it.
func (s source) label() string {
	if s.kind == sourceShare {
		return s.name("")
	}
	return s.text
}

// name is the source as the mount table and 'teraboxfs mounts' show it. An address loses its query: it
// may carry the share's password.
func (s source) name(account string) string {
	switch s.kind {
	case sourceShare:
		if s.share != "" {
			return s.text
		}
		bare, _, _ := strings.Cut(s.url, "?")
		return bare
	case sourceShares:
		return s.text
	case sourceDemo:
		return "demo:" + s.path
	}
	return account + ":" + s.path
}

package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"
)

// guestUK is the user whose drive holds the generated files of shares.
const guestUK int64 = 5500998877

// The errors of shares (docs/protocol.md, 6).
const (
	errShareUser      errno = -3      // shareid and uk do not belong together
	errShareCode      errno = -12     // wrong extraction code
	errShareGone      errno = -21     // cancelled by its owner
	errShareTooMany   errno = -33     // too many files in one transfer
	errShareCaptcha   errno = -62     // too many wrong codes
	errShareLink      errno = 105     // no such link
	errShareLogin     errno = 400310  // bytes of a share need a login
	errShareTransfer  errno = 400810  // stale jsToken in transfer
	errShareListToken errno = 4000020 // stale jsToken in the other calls
)

const (
	shareBlock     = 4 << 20     // the part size of generated files
	shareSignTTL   = time.Hour   // how long sign and timestamp of shorturlinfo are good for
	shareMaxTries  = 5           // wrong codes before errShareCaptcha
	shareTriesHold = time.Minute // how long that lasts
)

// ShareFile is one generated file of a share.
type ShareFile struct {
	Path    string `json:"path"` // below the share's root, with a leading slash
	Content string `json:"content,omitempty"`
	// Size and Seed make a file of noise where Content is empty.
	Size int    `json:"size,omitempty"`
	Seed uint64 `json:"seed,omitempty"`

	data []byte // of the built-in share
}

// ShareSpec describes a share: of Paths in the account's drive, or of generated Files in the drive
// of another user.
type ShareSpec struct {
	Key       string      `json:"key"` // without the leading 1 of path forms
	Password  string      `json:"password,omitempty"`
	Title     string      `json:"title,omitempty"`
	Paths     []string    `json:"paths,omitempty"`
	Files     []ShareFile `json:"files,omitempty"`
	Cancelled bool        `json:"cancelled,omitempty"`
	Expired   bool        `json:"expired,omitempty"`
}

// share is a published link. It does not change after publication; a changed one replaces it.
type share struct {
	ShareSpec
	id    int64
	drive *drive
	roots []string // absolute paths in drive, each with its own base name
}

// AddShare publishes a share. It returns an error for a malformed key, a path that the drive does
// not have, and two roots of the same name.
func (s *Server) AddShare(spec ShareSpec) error {
	if err := s.addShare(savedShare{ShareSpec: spec}); err != nil {
		return err
	}
	return s.saveShares()
}

// savedShare is a share as it is kept on disk.
type savedShare struct {
	ID int64 `json:"id"`
	ShareSpec
}

func (s *Server) addShare(spec savedShare) error {
	if !shareKeyPattern.MatchString(spec.Key) {
		return fmt.Errorf("share %q: malformed key", spec.Key)
	}
	if (len(spec.Paths) == 0) == (len(spec.Files) == 0) {
		return fmt.Errorf("share %q: want paths or files, and not both", spec.Key)
	}
	sh := &share{ShareSpec: spec.ShareSpec, id: spec.ID, drive: s.drive, roots: spec.Paths}
	if len(spec.Files) > 0 {
		if err := s.generateFiles(sh); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for _, p := range sh.roots {
		if _, err := sh.drive.stat(p); err != nil {
			return fmt.Errorf("share %q: %q: %w", spec.Key, p, err)
		}
		if names[path.Base(p)] {
			return fmt.Errorf("share %q: two roots are called %q", spec.Key, path.Base(p))
		}
		names[path.Base(p)] = true
	}
	s.shares.publish(sh)
	return nil
}

// title is the share's own, or its first root as a path.
func (sh *share) title() string {
	if sh.Title != "" {
		return sh.Title
	}
	return "/" + path.Base(sh.roots[0])
}

// resolve turns a path in the share ("/dir/file") into one in the owner's drive.
func (sh *share) resolve(p string) (string, bool) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	for _, root := range sh.roots {
		if path.Base(root) == first {
			return trimSlash(root + "/" + rest), true
		}
	}
	return "", false
}

// pathOf turns a path in the owner's drive into one in the share; ok is false outside the share.
func (sh *share) pathOf(p string) (string, bool) {
	for _, root := range sh.roots {
		if p == root || strings.HasPrefix(p, root+"/") {
			return "/" + path.Base(root) + strings.TrimPrefix(p, root), true
		}
	}
	return "", false
}

// rootEntries returns the entries at the top of the share, leaving out what its owner has deleted.
func (sh *share) rootEntries() []entry {
	out := []entry{}
	for _, root := range sh.roots {
		if e, err := sh.drive.stat(root); err == nil {
			out = append(out, e)
		}
	}
	return out
}

// files returns every file of the share, folders expanded, in the order of their paths.
func (sh *share) files() []entry {
	out := []entry{}
	for _, root := range sh.rootEntries() {
		sh.drive.walk(root.Path, func(e entry) bool {
			if !e.Dir {
				out = append(out, e)
			}
			return true
		})
	}
	return out
}

// file returns the entry with this fs_id if it lies in the share.
func (sh *share) file(id int64) (entry, bool) {
	e, err := sh.drive.statID(id)
	if err != nil {
		return entry{}, false
	}
	_, ok := sh.pathOf(e.Path)
	return e, ok
}

// usable returns nil for a share that can be opened at all.
func (sh *share) usable() error {
	switch {
	case sh.Cancelled:
		return errShareGone
	case sh.Expired:
		return errNotFound
	}
	return nil
}

// randsk is what share/verify gives for the right code, before it is percent-encoded.
func (s *Server) randsk(sh *share) string {
	return base64.StdEncoding.EncodeToString(s.shareMAC("randsk", sh.Key, sh.Password))
}

// shareSign signs a share and a timestamp for share/download.
func (s *Server) shareSign(sh *share, timestamp int64) string {
	return hex.EncodeToString(s.shareMAC("sign", sh.Key, fmt.Sprint(timestamp))[:20])
}

func (s *Server) shareMAC(parts ...string) []byte {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte("share\x00" + strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

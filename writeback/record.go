package writeback

import (
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

// recordMagic begins every record of the journal; the digit is the version (docs/formats.md).
const recordMagic = "TBFSWB1"

// record is what the journal says of one staging file: where its content goes and what it is made of.
type record struct {
	Path          string        `json:"path"`
	Mtime         int64         `json:"mtime_ns"`                 // since 1970
	ImplicitMtime bool          `json:"implicit_mtime,omitempty"` // Target's
	Size          int64         `json:"size"`                     // bytes of content; the staging file may be longer
	Order         int64         `json:"order"`                    // of two records of a path the greater is the later
	Supersedes    []string      `json:"supersedes,omitempty"`     // staging files whose content this one follows
	Replaces      *savedEntry   `json:"replaces,omitempty"`       // Target's
	Base          *savedEntry   `json:"base,omitempty"`           // what absent blocks are read from
	BaseLen       int64         `json:"base_len,omitempty"`       // bytes of it that are content
	Unsure        *savedEntry   `json:"unsure,omitempty"`         // File's
	Attempt       *savedAttempt `json:"attempt,omitempty"`        // File's
	Blocks        []string      `json:"blocks"`                   // of each started 4 MiB: its MD5, "" unknown; "-" before it: absent
}

// savedEntry is the part of a remote.Entry that tells versions apart.
type savedEntry struct {
	Path        string `json:"path"`
	FsID        uint64 `json:"fs_id"`
	Size        int64  `json:"size"`
	MD5         string `json:"md5,omitempty"`
	LocalMtime  int64  `json:"local_mtime,omitempty"`  // s since 1970
	ServerMtime int64  `json:"server_mtime,omitempty"` // s since 1970
	ServerCtime int64  `json:"server_ctime,omitempty"` // s since 1970
}

type savedAttempt struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	MD5  string `json:"md5"`
}

// absentMark is before the digest of a block whose bytes are not in the staging file.
const absentMark = "-"

func saveEntry(e *remote.Entry) *savedEntry {
	if e == nil {
		return nil
	}
	return &savedEntry{e.Path, e.FsID, e.Size, e.MD5, seconds(e.LocalMtime), seconds(e.ServerMtime), seconds(e.ServerCtime)}
}

func (s *savedEntry) entry() *remote.Entry {
	if s == nil {
		return nil
	}
	return &remote.Entry{
		Path: s.Path, FsID: s.FsID, Size: s.Size, MD5: s.MD5,
		LocalMtime: instant(s.LocalMtime), ServerMtime: instant(s.ServerMtime), ServerCtime: instant(s.ServerCtime),
	}
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func instant(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

func (r record) encode() ([]byte, error) { return checked.Encode(recordMagic, r) }

// decodeRecord is the reverse of encode. Every error wraps checked.ErrDamaged.
func decodeRecord(data []byte) (record, error) {
	var r record
	if err := checked.Decode(recordMagic, data, &r); err != nil {
		return record{}, err
	}
	if err := r.check(); err != nil {
		return record{}, fmt.Errorf("%w: %w", checked.ErrDamaged, err)
	}
	return r, nil
}

// check refuses what no store writes.
func (r record) check() error {
	switch {
	case !path.IsAbs(r.Path) || path.Clean(r.Path) != r.Path || r.Path == "/":
		return fmt.Errorf("path %q", r.Path)
	case r.Size < 0 || r.Size > 1<<50 || int64(len(r.Blocks)) != stageBlock.Count(r.Size):
		return fmt.Errorf("%d blocks for %d bytes", len(r.Blocks), r.Size)
	case r.BaseLen < 0 || r.BaseLen > r.Size || r.BaseLen > 0 && r.Base == nil:
		return fmt.Errorf("%d of %d bytes from the base", r.BaseLen, r.Size)
	}
	for _, name := range r.Supersedes {
		if name != path.Base(name) || !strings.HasSuffix(name, stageSuffix) {
			return fmt.Errorf("supersedes %q", name)
		}
	}
	for i, b := range r.Blocks {
		sum := strings.TrimPrefix(b, absentMark)
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 0 && len(raw) != 16 {
			return fmt.Errorf("digest of block %d: %q", i, b)
		}
	}
	return nil
}

// table returns the blocks as a File keeps them, without charges.
func (r record) table() []block {
	table := make([]block, len(r.Blocks))
	for i, b := range r.Blocks {
		sum, absent := strings.CutPrefix(b, absentMark)
		table[i] = block{staged: !absent, debris: absent, digest: digest{sum: sum}}
	}
	return table
}

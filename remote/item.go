package remote

import (
	"encoding/json"
	"strings"
	"time"
)

// item is an entry as the service writes it in listings, filemetas and the answers of create and
// precreate.
type item struct {
	FsID        flexID  `json:"fs_id"`
	Path        string  `json:"path"`
	IsDir       flexInt `json:"isdir"`
	Size        flexInt `json:"size"`
	MD5         string  `json:"md5"`
	LocalMtime  flexInt `json:"local_mtime"`
	ServerMtime flexInt `json:"server_mtime"`
	ServerCtime flexInt `json:"server_ctime"`
	Mtime       flexInt `json:"mtime"` // create says mtime and ctime
	Ctime       flexInt `json:"ctime"`

	Errno flexInt `json:"errno"` // of this item, in answers about several
	Dlink string  `json:"dlink"` // filemetas with dlink=1

	DeleteTime flexInt `json:"delete_time"` // of the recycle bin: seconds, and whole days that are left
	LeftTime   flexInt `json:"leftTime"`

	odd bool // some field had a type nobody has seen it with
}

// UnmarshalJSON never fails: an item that cannot be read is odd and rejected by entry, while its
// neighbours stand.
func (i *item) UnmarshalJSON(b []byte) error {
	type plain item
	*i = item{}
	err := json.Unmarshal(b, (*plain)(i))
	i.odd = err != nil
	return nil
}

// entry is the item as an Entry. Not ok means that it cannot be shown: no identity, no proper
// path, or a file without a size.
func (i *item) entry() (e Entry, ok bool) {
	if i.odd || i.FsID == 0 || !properPath(i.Path) {
		return Entry{}, false
	}
	e = Entry{
		FsID:        uint64(i.FsID),
		Path:        i.Path,
		IsDir:       i.IsDir.n != 0,
		LocalMtime:  i.LocalMtime.time(),
		ServerMtime: firstTime(i.ServerMtime, i.Mtime),
		ServerCtime: firstTime(i.ServerCtime, i.Ctime),
	}
	if e.IsDir {
		return e, true
	}
	e.Size, e.MD5 = i.Size.n, decodeMD5(i.MD5)
	return e, i.Size.set && i.Size.n >= 0
}

// lastSecond bounds times at the year 9999, beyond which formatting them goes wrong.
const lastSecond = 253402300799

// time reads seconds since 1970; zero when absent or absurd.
func (f flexInt) time() time.Time {
	if !f.set || f.n <= 0 || f.n > lastSecond {
		return time.Time{}
	}
	return time.Unix(f.n, 0)
}

func firstTime(candidates ...flexInt) time.Time {
	for _, f := range candidates {
		if t := f.time(); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// properPath reports whether p is absolute, names something below the root, and has no
// component that could lead elsewhere.
func properPath(p string) bool {
	if len(p) < 2 || p[0] != '/' || strings.IndexByte(p, 0) >= 0 {
		return false
	}
	for name := range strings.SplitSeq(p[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	return true
}

// checkPaths is an error for the first path that is not proper. It guards against our own
// callers: the service's delete is recursive, and "" or "/" would be the whole drive.
func checkPaths(op string, paths ...string) error {
	for _, p := range paths {
		if !properPath(p) {
			return &Error{Op: op, Object: p, Kind: ErrInvalid, Msg: "not the path of an entry"}
		}
	}
	return nil
}

package fs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Numbers of Linux's requests.
const (
	keepSize        = unix.FALLOC_FL_KEEP_SIZE
	renameNoReplace = unix.RENAME_NOREPLACE
	killPrivileges  = fuse.CAP_HANDLE_KILLPRIV_V2
)

// fallocate is the system call of that name.
func fallocate(fd int, mode uint32, off, n int64) error { return unix.Fallocate(fd, mode, off, n) }

// raiseReadAhead lets the kernel ask for whole requests of a sequential reader: its own default is an
// eighth of that. Only root may; others read as fast as requests of 128 KiB go.
func (f *FS) raiseReadAhead(dir string) {
	var st unix.Stat_t
	if os.Geteuid() != 0 || unix.Stat(dir, &st) != nil {
		return
	}
	bdi := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	name := filepath.Join("/sys/class/bdi", bdi, "read_ahead_kb")
	if err := os.WriteFile(name, fmt.Appendf(nil, "%d\n", maxRequest>>10), 0); err != nil {
		f.opts.Log.Debug("kernel read-ahead stays as it is", "err", err)
	}
}

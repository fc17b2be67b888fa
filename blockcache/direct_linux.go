package blockcache

import (
	"os"

	"golang.org/x/sys/unix"
)

// directFlag opens a file so that what is written goes around the page cache.
const directFlag = unix.O_DIRECT

// pwritev writes bufs to f from byte off on, in one call. It fails with unix.EINVAL where f cannot be written around the page cache.
func pwritev(f *os.File, bufs [][]byte, off int64) (int, error) {
	return unix.Pwritev(int(f.Fd()), bufs, off)
}

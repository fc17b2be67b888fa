//go:build linux

package integration

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// readKind is a way in which programs read a file.
type readKind struct {
	name string
	read func(r *reading)
}

// readKinds are all of them. What a program maps it reads in jumps. The first six are those of the catalogue.
var readKinds = []readKind{
	{"head", func(r *reading) { r.part(0, 4096) }},
	{"middle", func(r *reading) { r.part(r.size/2+1, 100_000) }},
	{"tail", func(r *reading) { r.part(r.size-5000, 5000) }},
	{"sequential", func(r *reading) { r.part(0, r.size) }},
	{"mmap", (*reading).mapped},
	{"8 readers", (*reading).together},
	{"direct", (*reading).direct},
}

// readPiece is how much one call asks for.
const readPiece = 128 << 10

// reading is one pattern file being read, and what came of it. The kinds of reading may be tried in turn; what they saw adds up.
type reading struct {
	open func() (fd int, err error) // the caller closes; unix calls, to time each one of them
	seed uint64
	size int64

	mu      sync.Mutex
	asked   int64         // bytes; guarded by mu, as all that follows
	got     int64         // of them; each was right
	slowest time.Duration // call
	failure error         // the first errno
	wrong   error         // a wrong byte, or an end that is not the file's: what must never be
}

// readingOf reads the file that name is now, with a handle for every reader.
func readingOf(name string, seed uint64, size int64) *reading {
	open := func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0) }
	return &reading{open: open, seed: seed, size: size}
}

// part reads n bytes from off in order, through a descriptor of its own.
func (r *reading) part(off, n int64) {
	r.through(func(fd int) {
		for end := off + n; off < end && r.piece(fd, off, min(readPiece, end-off)); off += readPiece {
		}
	})
}

// direct reads some of the middle past the kernel's pages: each call is one question to the daemon.
func (r *reading) direct() {
	r.through(func(fd int) {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil {
			_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_DIRECT)
		}
		if err != nil {
			r.note(0, nil, 0, fmt.Errorf("O_DIRECT: %w", err))
			return
		}
		r.piece(fd, r.size/2+1, 100_000)
	})
}

// together reads the whole file by eight readers. Each begins in another place and goes on at the start when it comes to the end.
func (r *reading) together() {
	const readers = 8
	pieces := (r.size + readPiece - 1) / readPiece
	var wg sync.WaitGroup
	for i := range int64(readers) {
		wg.Go(func() {
			r.through(func(fd int) {
				for k := range pieces {
					off := (i*pieces/readers + k) % pieces * readPiece
					if !r.piece(fd, off, min(readPiece, r.size-off)) {
						return
					}
				}
			})
		})
	}
	wg.Wait()
}

// mapped reads the whole file in jumps through a mapping. The kernel does the copying, into a file in memory: where a program would
// get SIGBUS, the call gets EFAULT, and a page that never comes holds up a system call instead of the runtime of these tests.
func (r *reading) mapped() {
	r.through(func(fd int) {
		mem, err := unix.Mmap(fd, 0, int(r.size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			r.note(0, nil, 0, fmt.Errorf("mmap: %w", err))
			return
		}
		defer unix.Munmap(mem)
		out, err := unix.MemfdCreate("mapped", unix.MFD_CLOEXEC)
		if err != nil {
			r.note(0, nil, 0, fmt.Errorf("memfd: %w", err))
			return
		}
		defer unix.Close(out)
		copyOut := func(b []byte, off int64) (int, error) {
			n, err := unix.Pwrite(out, mem[off:off+int64(len(b))], off)
			if n <= 0 {
				return n, err
			}
			return unix.Pread(out, b[:n], off)
		}
		pieces := (r.size + readPiece - 1) / readPiece
		step := pieces/2 | 1
		for ; pieces%step == 0 && step > 1; step -= 2 { // each piece comes once
		}
		for k := range pieces {
			off := k * step % pieces * readPiece
			if !r.call(copyOut, off, min(readPiece, r.size-off)) {
				return
			}
		}
	})
}

// through gives read a descriptor.
func (r *reading) through(read func(fd int)) {
	fd, err := r.open()
	if err != nil {
		r.note(0, nil, 0, fmt.Errorf("open: %w", err))
		return
	}
	defer unix.Close(fd)
	read(fd)
}

// piece reads n bytes from off and reports whether all came.
func (r *reading) piece(fd int, off, n int64) bool {
	return r.call(func(b []byte, off int64) (int, error) { return unix.Pread(fd, b, off) }, off, n)
}

// call reads n bytes from off by calls of get, which may bring fewer. It reports whether all came.
func (r *reading) call(get func(b []byte, off int64) (int, error), off, n int64) bool {
	r.mu.Lock()
	r.asked += n
	r.mu.Unlock()
	buf := make([]byte, n)
	for len(buf) > 0 {
		start := time.Now()
		n, err := get(buf, off)
		for err == unix.EINTR { // the runtime signals its own threads
			n, err = get(buf, off)
		}
		if !r.note(time.Since(start), buf[:max(n, 0)], off, err) {
			return false
		}
		buf, off = buf[n:], off+int64(n)
	}
	return true
}

// note enters what one call brought and reports whether to go on.
func (r *reading) note(took time.Duration, b []byte, off int64, err error) bool {
	want := make([]byte, len(b))
	pattern(r.seed, off, want)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slowest = max(r.slowest, took)
	switch {
	case err != nil:
		if r.failure == nil {
			r.failure = err
		}
	case string(b) != string(want):
		r.wrong = errors.Join(r.wrong, fmt.Errorf("wrong bytes in [%d, %d)", off, off+int64(len(b))))
	case len(b) == 0:
		r.wrong = errors.Join(r.wrong, fmt.Errorf("the file ends at %d of %d", off, r.size))
	default:
		r.got += int64(len(b))
		return true
	}
	return false
}

// forget makes the kernel drop its pages of the file: what is read next is what the daemon has.
func (r *reading) forget() {
	r.through(func(fd int) {
		if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
			r.note(0, nil, 0, fmt.Errorf("fadvise: %w", err))
		}
	})
}

// readAgain reads the whole file as the daemon gives it now. A wrong byte is final; a failure is not, for limit: what went wrong may
// be waiting for its next attempt.
func (r *reading) readAgain(limit time.Duration) error {
	var wrong error
	err := poll(limit, func() error {
		again := &reading{open: r.open, seed: r.seed, size: r.size}
		again.forget()
		again.part(0, r.size)
		if wrong = again.wrong; wrong != nil {
			return nil
		}
		return again.failure
	})
	return errors.Join(err, wrong)
}

// heldReading reads through one handle, which is open until the end of the test, whatever becomes of the name.
func heldReading(t testing.TB, name string, seed uint64, size int64) *reading {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	dup := func() (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }
	return &reading{open: dup, seed: seed, size: size}
}

// requireFailure ends the test unless what was tried failed with one of errnos, and with no wrong byte before.
func (r *reading) requireFailure(t testing.TB, kind string, errnos ...error) {
	t.Helper()
	require.NoError(t, r.wrong)
	if kind == "mmap" {
		errnos = []error{unix.EFAULT}
	}
	require.True(t, errorIsAny(r.failure, errnos...), "%d of %d bytes and %v", r.got, r.asked, r.failure)
}

// requireRight ends the test unless all that was tried was read right.
func (r *reading) requireRight(t testing.TB) {
	t.Helper()
	require.NoError(t, r.wrong)
	require.NoError(t, r.failure)
	require.Equal(t, r.asked, r.got)
}

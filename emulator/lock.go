package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir makes a data directory if needed and takes it for this process; unlock gives it back. The kernel gives it back as well
// when the process dies.
func lockDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make emulator data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock emulator data %q: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("emulator data %q: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock emulator data %q: %w", dir, err)
	}
	return f.Close, nil
}

// ErrInUse is returned by New when another process serves the same data directory.
var ErrInUse = errors.New("in use by another emulator process")

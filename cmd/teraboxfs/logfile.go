package main

import (
	"errors"
	iofs "io/fs"
	"os"
	"sync"
	"time"
)

// lookAgain is how often a log file is compared with its name.
const lookAgain = time.Second

// logFile is a log that follows its name: when somebody moves the file away, as logrotate does, the next line after a second
// goes to a new one. Safe for concurrent use.
type logFile struct {
	path  string
	moved func(*os.File) // is given the new file; may be nil
	now   func() time.Time

	mu     sync.Mutex // guards the rest
	file   *os.File
	looked time.Time
}

// openLogFile opens the log at path for this user alone.
func openLogFile(path string, moved func(*os.File)) (*logFile, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	return &logFile{path: path, moved: moved, now: time.Now, file: f, looked: time.Now()}, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Write appends p.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.looked) >= lookAgain {
		l.looked = now
		l.followLocked()
	}
	return l.file.Write(p)
}

// followLocked opens the file anew if its name is not its own any more. Where that does not work the old file serves on.
func (l *logFile) followLocked() {
	named, err := os.Stat(l.path)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return
	}
	if err == nil {
		if own, err := l.file.Stat(); err != nil || os.SameFile(named, own) {
			return
		}
	}
	f, err := openAppend(l.path)
	if err != nil {
		return
	}
	l.file.Close()
	l.file = f
	if l.moved != nil {
		l.moved(f)
	}
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

package shares

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

var (
	// ErrNotFound is wrapped when there is no share of the name.
	ErrNotFound = errors.New("there is no saved share of this name")
	// ErrTaken is wrapped when another share has the name.
	ErrTaken = errors.New("another saved share has this name")
	// ErrSaved is wrapped when the link is saved already.
	ErrSaved = errors.New("this link is saved already")
)

const suffix = ".share"

// Store is the directory of saved shares. It is safe for concurrent use, also by several processes.
type Store struct{ dir string }

// Open returns the store in dir, which must be there and private to the user.
func Open(dir string) *Store { return &Store{dir} }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name+suffix) }

// Get returns a share by name. The error wraps ErrNotFound or ErrDamaged.
func (s *Store) Get(name string) (Share, error) {
	if CheckName(name) != nil {
		return Share{}, fmt.Errorf("share %q: %w", name, ErrNotFound)
	}
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, iofs.ErrNotExist) {
		return Share{}, fmt.Errorf("share %q: %w", name, ErrNotFound)
	}
	var out Share
	if err == nil {
		err = decode(data, &out)
	}
	if err != nil {
		return Share{}, fmt.Errorf("share %q: %w", name, err)
	}
	out.Name = name // the file's name counts: it may have been copied
	return out, nil
}

// List returns the shares that can be read, by name, and joined the errors of those that cannot.
func (s *Store) List() ([]Share, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []Share
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || CheckName(name) != nil {
			continue
		}
		sh, err := s.Get(name)
		switch {
		case err == nil:
			all = append(all, sh)
		case !errors.Is(err, ErrNotFound): // removed meanwhile
			errs = append(errs, err)
		}
	}
	slices.SortFunc(all, func(a, b Share) int { return strings.Compare(a.Name, b.Name) })
	return all, errors.Join(errs...)
}

// ByKey returns the share of a link's key.
func (s *Store) ByKey(key string) (Share, bool) {
	all, _ := s.List() // a damaged one has no key
	i := slices.IndexFunc(all, func(sh Share) bool { return sh.Key == key })
	if i < 0 {
		return Share{}, false
	}
	return all[i], true
}

// Add saves a share durably and returns it with its name. Without a name it gets one after its title,
// with a number when that is taken. The error may wrap ErrTaken or ErrSaved.
func (s *Store) Add(sh Share) (Share, error) {
	err := s.change(func() error {
		if err := s.Admits(sh.Key, sh.Name); err != nil {
			return err
		}
		if sh.Name == "" {
			sh.Name = s.free(SafeName(sh.Title, sh.Key))
		}
		return s.write(sh)
	})
	return sh, err
}

// Admits returns what Add would refuse a key and a name for, if it were asked now; "" is no name.
func (s *Store) Admits(key, name string) error {
	if old, ok := s.ByKey(key); ok {
		return fmt.Errorf("share %q: %w", old.Name, ErrSaved)
	}
	if name == "" {
		return nil
	}
	return s.vacant(name)
}

// free is name, or name with the first number that makes it one nobody has.
func (s *Store) free(name string) string {
	numbered := name
	for n := 2; s.vacant(numbered) != nil; n++ {
		numbered = fmt.Sprintf("%s (%d)", name, n)
	}
	return numbered
}

func (s *Store) vacant(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("share %q: %w", name, err)
	}
	if _, err := os.Lstat(s.path(name)); !errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("share %q: %w", name, ErrTaken)
	}
	return nil
}

// Rename gives a share another name.
func (s *Store) Rename(from, to string) error {
	return s.change(func() error {
		sh, err := s.Get(from)
		if err != nil {
			return err
		}
		if err := s.vacant(to); err != nil {
			return err
		}
		sh.Name = to
		if err := s.write(sh); err != nil {
			return err
		}
		return os.Remove(s.path(from))
	})
}

// Remove forgets a share, a damaged one too.
func (s *Store) Remove(name string) error {
	return s.change(func() error {
		if _, err := s.Get(name); errors.Is(err, ErrNotFound) {
			return err
		}
		return os.Remove(s.path(name))
	})
}

// Update changes the saved share of a key durably; nothing happens when none is saved.
func (s *Store) Update(key string, with func(*Share)) error {
	return s.change(func() error {
		sh, ok := s.ByKey(key)
		if !ok {
			return nil
		}
		name := sh.Name
		with(&sh)
		sh.Name, sh.Key = name, key
		return s.write(sh)
	})
}

func (s *Store) write(sh Share) error { return writeFile(s.path(sh.Name), sh) }

// writeFile replaces a file durably by v.
func writeFile(path string, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, data, 0o600, renameio.WithStaticPermissions(0o600))
}

func (s *Store) change(do func() error) error { return locked(s.dir, do) }

// locked runs do while no other process or goroutine changes the directory.
func locked(dir string, do func() error) error {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // ends the lock
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return do()
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %q: %w", dir, err)
		}
	}
}

package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrInUse: a mount has the tree.
var ErrInUse = errors.New("a mount has it")

// Check reads the whole tree in dir and changes nothing. It returns how many directories it has.
func Check(dir string) (directories int, err error) {
	defer func() {
		if broken := recover(); broken != nil { // bbolt asserts what it reads
			err = fmt.Errorf("damaged: %v", broken)
		}
	}()
	name := filepath.Join(dir, dataName)
	if _, err := os.Stat(name); err != nil {
		return 0, err
	}
	db, err := bolt.Open(name, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return 0, ErrInUse
	}
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		for broken := range tx.Check() {
			err = errors.Join(err, broken)
		}
		if b := tx.Bucket(bucket); b != nil {
			directories = b.Stats().KeyN
		}
		return err
	})
	return directories, err
}

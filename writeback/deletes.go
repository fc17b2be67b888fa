package writeback

import (
	"errors"
	"fmt"
	iofs "io/fs"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	deletesName  = "deletes"
	deletesMagic = "TBFSWD1"
)

// Deletes returns the files that an earlier process was told to delete and may not have deleted, as SaveDeletes was given them last.
// Damage is an error that wraps checked.ErrDamaged; the list is empty then.
func (s *Store) Deletes() ([]remote.Entry, error) {
	data, err := s.readSmall(deletesName)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	var saved []savedEntry
	if err == nil {
		err = checked.Decode(deletesMagic, data, &saved)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was to be deleted: %w", err)
	}
	entries := make([]remote.Entry, len(saved))
	for i := range saved {
		entries[i] = *saved[i].entry()
	}
	return entries, nil
}

// SaveDeletes makes the list of files that are to be deleted durable; it replaces the one before.
func (s *Store) SaveDeletes(entries []remote.Entry) error {
	if len(entries) == 0 {
		err := s.disk.Remove(deletesName)
		if errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, s.syncDir())
	}
	saved := make([]savedEntry, len(entries))
	for i := range entries {
		saved[i] = *saveEntry(&entries[i])
	}
	data, err := checked.Encode(deletesMagic, saved)
	if err != nil {
		return err
	}
	draft := deletesName + draftSuffix
	if err := s.writeDraft(draft, data); err != nil {
		return err
	}
	if err := s.disk.Replace(draft, deletesName); err != nil {
		return err
	}
	return s.syncDir()
}

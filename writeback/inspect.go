package writeback

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/teraboxfs/teraboxfs/internal/checked"
)

// Inspection is what a staging directory holds. Counts are files.
type Inspection struct {
	Unsent      int   // promised to be sent, their records in order
	UnsentBytes int64 // of these
	Damaged     int   // records that cannot be read, or whose staging file is short: the next mount sets them aside
	Unfinished  int   // being written when the process died: the next mount sets them aside
	Leftovers   int   // of what is on the drive: the next mount removes them
	Recovered   int   // set aside before, for a person to look at
	RecoveredIn string
}

// Inspect looks at a staging directory and changes nothing. It returns ErrLocked while a Store has it.
func Inspect(dir string) (Inspection, error) {
	found := Inspection{RecoveredIn: filepath.Join(dir, recoveredDir)}
	lock := flock.New(filepath.Join(dir, lockName))
	locked, err := lock.TryLock()
	if err != nil {
		return found, err
	}
	if !locked {
		return found, ErrLocked
	}
	defer lock.Close()
	disk, err := openDisk(dir)
	if err != nil {
		return found, err
	}
	defer disk.Close()
	s := &Store{cfg: Config{Dir: dir}.withDefaults(), disk: disk}
	names, err := disk.List()
	if err != nil {
		return found, err
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	for _, name := range names {
		if !strings.HasSuffix(name, stageSuffix) {
			if stage, ok := strings.CutSuffix(name, recordSuffix); ok && !there[stage] {
				found.Leftovers++
			}
			continue
		}
		switch {
		case there[name+recordSuffix]:
			rec, err := s.readRecord(name)
			switch {
			case errors.Is(err, checked.ErrDamaged) || errors.Is(err, errShortStage):
				found.Damaged++
			case err != nil:
				return found, err
			default:
				found.Unsent++
				found.UnsentBytes += rec.Size
			}
		case there[name+doneSuffix]:
			found.Leftovers++
		default:
			found.Unfinished++
		}
	}
	aside, err := os.ReadDir(found.RecoveredIn)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return found, err
	}
	for _, f := range aside {
		if strings.HasSuffix(f.Name(), stageSuffix) {
			found.Recovered++
		}
	}
	return found, nil
}

package shares

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrSpent is wrapped when the day's requests are used up, or what is left of them is reserved.
var ErrSpent = errors.New("the day's requests are used up")

// Ledger counts the requests of a UTC day, for all processes that use the directory.
type Ledger struct {
	dir string
	now func() time.Time
}

// OpenLedger returns the ledger in dir, which must be there. A nil now is time.Now.
func OpenLedger(dir string, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	return &Ledger{dir, now}
}

// Allowance is a day's requests.
type Allowance struct {
	Day   string `json:"day"`   // YYYY-MM-DD in UTC
	Used  int    `json:"used"`  // as the service said last, and what was sent since
	Limit int    `json:"limit"` // 0 when it is not known: then the service alone refuses
}

// Left is how many requests are left, and false when that is not known.
func (a Allowance) Left() (int, bool) { return max(0, a.Limit-a.Used), a.Limit > 0 }

// Today returns the day's count. What cannot be read counts as nothing used.
func (l *Ledger) Today() (Allowance, error) {
	today := Allowance{Day: l.now().UTC().Format(time.DateOnly)}
	data, err := os.ReadFile(l.path())
	if errors.Is(err, iofs.ErrNotExist) {
		return today, nil
	}
	if err != nil {
		return today, err
	}
	var kept Allowance
	switch err := decode(data, &kept); {
	case err != nil:
		return today, nil
	case kept.Day != today.Day:
		today.Limit = kept.Limit
		return today, nil
	}
	return kept, nil
}

func (l *Ledger) path() string { return filepath.Join(l.dir, "allowance") }

// Take counts one request durably before it is sent, unless no more than reserve are left: then it
// returns an error that wraps ErrSpent.
func (l *Ledger) Take(reserve int) error {
	return l.change(func(a *Allowance) error {
		if left, known := a.Left(); known && left <= reserve {
			if reserve > 0 && left > 0 {
				return fmt.Errorf("%w: the %d left are reserved", ErrSpent, left)
			}
			return ErrSpent
		}
		a.Used++
		return nil
	})
}

// Give takes back one request that was counted and could not be sent.
func (l *Ledger) Give() error {
	return l.change(func(a *Allowance) error {
		a.Used = max(0, a.Used-1)
		return nil
	})
}

// Learn takes over what the service says of today. It wins over our count, which has requests in it
// that failed and were not charged.
func (l *Ledger) Learn(limit, used int) error {
	return l.change(func(a *Allowance) error {
		a.Limit, a.Used = max(0, limit), max(0, used)
		return nil
	})
}

func (l *Ledger) change(with func(*Allowance) error) error {
	return locked(l.dir, func() error {
		a, err := l.Today()
		if err != nil {
			return err
		}
		if err := with(&a); err != nil {
			return err
		}
		return writeFile(l.path(), a)
	})
}

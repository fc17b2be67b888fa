package page

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"sync"
	"time"
)

const (
	ticketLife = time.Hour // of a link that lets a browser in
	maxTickets = 32        // that are good at a time; the oldest goes
)

// access holds the secrets of one server. They live as long as the process.
type access struct {
	session string // of every browser that was let in
	token   string // of the page's own requests
	now     func() time.Time

	mu      sync.Mutex
	tickets []ticket // guarded by mu; the oldest first
}

// ticket lets one browser in, once.
type ticket struct {
	sum   [sha256.Size]byte // of the secret
	until time.Time
}

func newAccess(now func() time.Time) *access {
	return &access{session: secret(), token: secret(), now: now}
}

// secret is 32 random bytes as text.
func secret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ticket makes a secret that admit takes once, for an hour.
func (a *access) ticket() string {
	s := secret()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tickets) >= maxTickets {
		a.tickets = a.tickets[1:]
	}
	a.tickets = append(a.tickets, ticket{sha256.Sum256([]byte(s)), a.now().Add(ticketLife)})
	return s
}

// admit reports whether a ticket is good, which it is no more afterwards.
func (a *access) admit(given string) bool {
	sum := sha256.Sum256([]byte(given))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, t := range a.tickets {
		if subtle.ConstantTimeCompare(t.sum[:], sum[:]) == 1 {
			a.tickets = append(a.tickets[:i:i], a.tickets[i+1:]...)
			return a.now().Before(t.until)
		}
	}
	return false
}

// equal compares secrets in a time that does not depend on where they differ.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

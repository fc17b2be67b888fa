package emulator

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// shareSet holds the shares by key. Safe for concurrent use.
type shareSet struct {
	mu     sync.Mutex
	byKey  map[string]*share    // guarded by mu
	nextID int64                // guarded by mu
	wrong  map[string]wrongCode // guarded by mu, by key
}

// wrongCode counts the wrong extraction codes tried at a share.
type wrongCode struct {
	n    int
	last time.Time
}

func newShareSet() *shareSet {
	return &shareSet{byKey: map[string]*share{}, wrong: map[string]wrongCode{}, nextID: 55660001}
}

func (ss *shareSet) get(key string) (*share, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sh, ok := ss.byKey[key]
	return sh, ok
}

// byID returns the share with this shareid.
func (ss *shareSet) byID(id int64) (*share, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, sh := range ss.byKey {
		if sh.id == id {
			return sh, true
		}
	}
	return nil, false
}

// saved returns what is needed to make every share again, in the order of their ids.
func (ss *shareSet) saved() []savedShare {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	out := []savedShare{}
	for _, sh := range ss.byKey {
		out = append(out, savedShare{ID: sh.id, ShareSpec: sh.ShareSpec})
	}
	slices.SortFunc(out, func(a, b savedShare) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// publish makes or replaces a share. One that has no id gets that of the share it replaces, or a
// new one.
func (ss *shareSet) publish(sh *share) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if old := ss.byKey[sh.Key]; old != nil {
		sh.id = old.id
	}
	if sh.id == 0 {
		sh.id = ss.nextID
	}
	ss.nextID = max(ss.nextID, sh.id+1)
	ss.byKey[sh.Key] = sh
	delete(ss.wrong, sh.Key)
}

// tryCode returns nil for the right extraction code, errShareCode for a wrong one, and
// errShareCaptcha, whatever the code, for a while after too many wrong ones.
func (ss *shareSet) tryCode(sh *share, code string, now time.Time) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	wrong := ss.wrong[sh.Key]
	if wrong.n >= shareMaxTries && now.Sub(wrong.last) < shareTriesHold {
		return errShareCaptcha
	}
	if code == sh.Password {
		delete(ss.wrong, sh.Key)
		return nil
	}
	if wrong.n >= shareMaxTries {
		wrong.n = 0
	}
	ss.wrong[sh.Key] = wrongCode{n: wrong.n + 1, last: now}
	return errShareCode
}

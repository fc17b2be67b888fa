package fs

import (
	"context"
	"errors"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Account tells whether sending makes sense at present. Both answer at once; their errors are those of package remote.
type Account interface {
	// Held is why nothing is to be sent now that nobody waits for; nil when it may be.
	Held() error
	// Refused is why the service would not take what somebody waits for either; nil when it may be asked.
	Refused() error
}

func (f *FS) held() error {
	if f.opts.Account == nil {
		return nil
	}
	return f.opts.Account.Held()
}

func (f *FS) refused() error {
	if f.opts.Account == nil {
		return nil
	}
	return f.opts.Account.Refused()
}

// ofAccount reports whether a commit failed because of how the account is, and not because of the file: it is no attempt then, and the
// file waits with the others.
func (f *FS) ofAccount(err error) bool {
	for _, kind := range []error{remote.ErrLogin, remote.ErrVerify, remote.ErrOffline, remote.ErrThrottled} {
		if errors.Is(err, kind) {
			return f.held() != nil
		}
	}
	return false
}

// cutOff says whether stored listings serve even if they may lack something: the service cannot be asked.
func (f *FS) cutOff() bool { return f.opts.Offline || f.refused() != nil }

// keepRefused is the commit of a file that the service would not take: the file is kept here, for the next mount too, and the error says why.
// It returns nil when there is nothing to send, or when it may be sent.
func (c *content) keepRefused(ctx context.Context) error {
	why := c.node.fs.refused()
	staged := c.stagedOrNil()
	if why == nil || staged == nil || !staged.Dirty() || c.node.detached() {
		return nil
	}
	c.mu.Lock()
	c.failure = why
	c.mu.Unlock()
	if err := c.save(ctx); err != nil {
		return errors.Join(why, err)
	}
	return why
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/renameio/v2"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/remote"
)

// accountMagic begins the file of a remembered account.
const accountMagic = "TBFSACCT1"

// offlinePatience is how long a start tries to reach the service when it could do without.
const offlinePatience = 5 * time.Second

// connectOrRecall logs in for a mount. When the service cannot be asked, or says that a person has to mend something first, an account that this
// login has had before does: the mount begins in the state that the client is in then.
func (a *app) connectOrRecall(ctx context.Context, cred credential) (*standing, remote.Account, error) {
	st, err := a.openStanding(cred)
	if err != nil {
		return nil, remote.Account{}, err
	}
	name := filepath.Join(a.stateDirectory(), "accounts", accountFile(cred))
	known, recallErr := recallAccount(name)
	limited, cancel := ctx, context.CancelFunc(func() {})
	if recallErr == nil {
		limited, cancel = context.WithTimeout(ctx, offlinePatience)
	}
	account, err := st.client.Login(limited)
	cancel()
	if errors.Is(err, remote.ErrLogin) {
		if beside, ok := a.storedBeside(cred); ok {
			a.log.Warn("the service does not take the login of "+cred.origin+"; the stored one is used", "account", beside.account)
			if err := st.client.Close(); err != nil {
				return nil, account, err
			}
			return a.connectOrRecall(ctx, beside)
		}
	}
	if err == nil {
		if err := rememberAccount(name, account); err != nil {
			a.log.Warn("a later start without a network will not work", "err", err)
		}
		st.account = account
		return st, account, nil
	}
	to, passes := conditionAtStart(err)
	if recallErr != nil || ctx.Err() != nil || !passes {
		return nil, account, errors.Join(err, st.client.Close())
	}
	st.account = known
	st.client.Suppose(to, err)
	return st, known, nil
}

// conditionAtStart is the state in which a mount begins whose login failed with err; passes is false when it cannot begin at all.
func conditionAtStart(err error) (to remote.Condition, passes bool) {
	switch {
	case errors.Is(err, remote.ErrLogin):
		return remote.ConditionLoginNeeded, true
	case errors.Is(err, remote.ErrVerify):
		return remote.ConditionGated, true
	case errors.Is(err, remote.ErrThrottled):
		return remote.ConditionThrottled, true
	case errors.Is(err, remote.ErrOffline), errors.Is(err, remote.ErrServer), errors.Is(err, context.DeadlineExceeded), isForeign(err):
		return remote.ConditionOffline, true
	}
	return 0, false
}

// accountFile is where the account of a login is remembered; it does not tell the login.
func accountFile(cred credential) string {
	sum := sha256.Sum256([]byte(cred.baseURL + "\n" + cred.cookie.reveal()))
	return hex.EncodeToString(sum[:16])
}

func rememberAccount(name string, account remote.Account) error {
	if err := privateDir(filepath.Dir(name)); err != nil {
		return err
	}
	data, err := checked.Encode(accountMagic, account)
	if err != nil {
		return err
	}
	return renameio.WriteFile(name, data, 0o600)
}

func recallAccount(name string) (account remote.Account, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return account, err
	}
	err = checked.Decode(accountMagic, data, &account)
	return account, err
}

// openTree opens the stored listings of this mount of this account's drive; a share has none. The mount does without when that fails.
func (a *app) openTree(m *mounted, sess *session) {
	if sess.account.UK == 0 || sess.uploader == nil || a.dirCache == 0 {
		return
	}
	dir := filepath.Join(a.stateDirectory(), "tree", strconv.FormatUint(sess.account.UK, 10), control.ID(m.dir))
	err := privateDir(dir)
	if err == nil {
		m.tree, err = tree.Open(dir)
	}
	if err != nil {
		a.log.Warn("directories are not kept for the next start", "err", fmt.Errorf("stored tree: %w", err))
	}
}

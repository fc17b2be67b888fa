package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/teraboxfs/teraboxfs/remote"
)

// TestConditionAtStart: with which failures of its login a mount begins that was mounted before, and in which state.
func TestConditionAtStart(t *testing.T) {
	of := func(kind error) error { return fmt.Errorf("login: %w", &remote.Error{Op: "check/login", Kind: kind}) }
	for name, tc := range map[string]struct {
		err    error
		to     remote.Condition
		passes bool
	}{
		"no connection":     {of(remote.ErrOffline), remote.ConditionOffline, true},
		"a portal's page":   {of(remote.ErrProtocol), remote.ConditionOffline, true},
		"the service fails": {of(remote.ErrServer), remote.ConditionOffline, true},
		"no answer in time": {context.DeadlineExceeded, remote.ConditionOffline, true},
		"a dead cookie":     {of(remote.ErrLogin), remote.ConditionLoginNeeded, true},
		"a captcha":         {of(remote.ErrVerify), remote.ConditionGated, true},
		"a rate limit":      {of(remote.ErrThrottled), remote.ConditionThrottled, true},
		"another country":   {of(remote.ErrRegion), 0, false},
		"anything else":     {errors.New("?"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			to, passes := conditionAtStart(tc.err)
			assert.Equal(t, tc.passes, passes)
			assert.Equal(t, tc.to, to)
		})
	}
}

// TestChildrenInheritNoSecret: what a command of --on-event sees of the environment.
func TestChildrenInheritNoSecret(t *testing.T) {
	env := environment{vars: map[string]string{
		"HOME": "/h", "TERABOXFS_NDUS": "secret", "TERABOX_API_KEY": "secret", "TERABOX_API_SECRET": "secret",
		"CREDENTIALS_DIRECTORY": "/run/credentials", daemonMark: "1", "TERABOXFS_UPLOADS": "2",
	}}
	assert.Equal(t, []string{"HOME=/h", "TERABOXFS_UPLOADS=2"}, env.withoutSecrets())
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	iofs "io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

func TestExitCodes(t *testing.T) {
	wrapped := func(kind error) error {
		return fail("mount", "/mnt", fmt.Errorf("deep: %w", &remote.Error{Op: "list", Object: "/", Kind: kind}))
	}
	for name, tc := range map[string]struct {
		err  error
		code int
	}{
		"unknown":              {errors.New("odd"), exitOther},
		"usage":                {usage("mount", "x", "hint", "odd"), exitUsage},
		"not found":            {wrapped(remote.ErrNotExist), exitNotFound},
		"local file missing":   {fail("read", "x", iofs.ErrNotExist), exitNotFound},
		"nobody logged in":     {errNoLogin, exitLogin},
		"cookie rejected":      {wrapped(remote.ErrLogin), exitLogin},
		"captcha":              {wrapped(remote.ErrVerify), exitLogin},
		"throttled":            {wrapped(remote.ErrThrottled), exitTemporary},
		"unreachable":          {wrapped(remote.ErrOffline), exitTemporary},
		"5xx":                  {wrapped(remote.ErrServer), exitTemporary},
		"drive full":           {wrapped(remote.ErrNoSpace), exitSpent},
		"plan":                 {wrapped(remote.ErrTooLarge), exitSpent},
		"daily allowance":      {wrapped(remote.ErrAllowance), exitSpent},
		"disk full":            {fail("write", "x", syscall.ENOSPC), exitSpent},
		"kernel refused":       {fmt.Errorf("%w: %w", errFuse, syscall.EPERM), exitFuse},
		"mount point busy":     {fail("umount", "x", syscall.EBUSY), exitBusy},
		"staging locked":       {fail("mount", "x", fmt.Errorf("open: %w", writeback.ErrLocked)), exitBusy},
		"uploads pending":      {fail("umount", "x", fmt.Errorf("%w: 3 files", errPending)), exitPending},
		"interrupted":          {fail("mount", "x", errInterrupted), exitInterrupted},
		"portal's page":        {wrapped(remote.ErrProtocol), exitTemporary},
		"number not known":     {fail("mount", "/", &remote.Error{Op: "list", Kind: remote.ErrProtocol, Errno: 4711}), exitOther},
		"wrong address":        {fail("mount", "/", &remote.Error{Op: "list", Kind: remote.ErrProtocol, Status: 404}), exitOther},
		"code of a deep one":   {fail("mount", "/", fmt.Errorf("deep: %w", usage("read", "x", "hint", "odd"))), exitUsage},
		"given code over kind": {&failure{err: remote.ErrServer, code: exitFuse}, exitFuse},
	} {
		t.Run(name, func(t *testing.T) {
			f := explain(tc.err)
			assert.Equal(t, tc.code, f.code)
			assert.NotEmpty(t, f.hint, "every failure says what to try")
		})
	}
}

func TestFailuresAreTwoLines(t *testing.T) {
	hostile := &remote.Error{Op: "list", Object: "/a\x1b[31m", Kind: remote.ErrServer, Msg: "line one\nline two\r\x07"}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"object":    {fail("mount", "/mnt", remote.ErrOffline), "teraboxfs: mount /mnt: the service cannot be reached\n"},
		"no object": {fail("whoami", "", errNoLogin), "teraboxfs: whoami: nobody is logged in\n"},
		"bare":      {errNoLogin, "teraboxfs: nobody is logged in\n"},
		"nested":    {fail("mount", "/", usage("read", "x", "hint", "odd")), "teraboxfs: read x: odd\n"},
		"joined":    {fail("mount", "x", errors.Join(errors.New("a"), errors.New("b"))), "teraboxfs: mount x: a; b\n"},
		"hostile":   {fail("mount", "x", hostile), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			explain(tc.err).print(&out)
			lines := strings.SplitAfter(out.String(), "\n")
			require.Len(t, lines, 3, "%q", out.String())
			assert.Empty(t, lines[2])
			if tc.want != "" {
				assert.Equal(t, tc.want, lines[0])
			}
			assert.False(t, strings.ContainsAny(out.String(), "\x1b\x07\r"), "%q", out.String())
		})
	}
}

// TestEveryKindOfRemoteHasAnExitCode fails when the wire learns a new kind of failure and the table does
// not.
func TestEveryKindOfRemoteHasAnExitCode(t *testing.T) {
	// These never end a command by themselves: the rooms below handle them.
	handled := []error{remote.ErrExist, remote.ErrName, remote.ErrInvalid, remote.ErrUploadGone, remote.ErrPartMissing,
		remote.ErrPartDigest, remote.ErrLinkExpired, remote.ErrChanged, remote.ErrUnsupported, remote.ErrPermission, remote.ErrAddress}
	covered := map[error]bool{}
	for _, k := range kinds {
		covered[k.is] = true
	}
	for _, kind := range []error{remote.ErrNotExist, remote.ErrLogin, remote.ErrVerify, remote.ErrNoSpace, remote.ErrTooLarge,
		remote.ErrThrottled, remote.ErrBusy, remote.ErrServer, remote.ErrOffline, remote.ErrProtocol, remote.ErrRegion, remote.ErrAllowance} {
		assert.True(t, covered[kind], "%v", kind)
	}
	for _, kind := range handled {
		assert.Equal(t, exitOther, explain(kind).code, "%v", kind)
	}
}

//go:build !linux

package main

import "errors"

// setImmutable fails: it is Linux's chattr(1).
func setImmutable(string, bool) error {
	return errors.New("this system has no immutable directories that we know of")
}

// isImmutable reports that nothing is.
func isImmutable(string) bool { return false }

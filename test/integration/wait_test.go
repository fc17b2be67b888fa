//go:build linux

package integration

import (
	"testing"
	"time"
)

// pollEvery is how often a condition is looked at.
const pollEvery = 20 * time.Millisecond

// eventually polls until cond returns nil, and fails the test with cond's last error when limit is over.
func eventually(t testing.TB, limit time.Duration, what string, cond func() error) {
	t.Helper()
	if err := poll(limit, cond); err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
}

// poll calls cond until it returns nil; after limit it returns cond's last error.
func poll(limit time.Duration, cond func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	over := time.After(limit)
	for {
		err := cond()
		if err == nil {
			return nil
		}
		select {
		case <-over:
			return err
		case <-tick.C:
		}
	}
}

// never polls for as long as span and fails the test when cond returns an error once.
func never(t testing.TB, span time.Duration, what string, cond func() error) {
	t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	over := time.After(span)
	for {
		if err := cond(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-over:
			return
		case <-tick.C:
		}
	}
}

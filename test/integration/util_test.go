//go:build linux

package integration

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// callsError says that the drive was asked something else than it should have been.
type callsError struct{ got, want map[string]int }

func (e *callsError) Error() string { return fmt.Sprintf("%v, want %v", e.got, e.want) }

// total is the sum of all counts.
func total(calls map[string]int) int {
	n := 0
	for _, count := range calls {
		n += count
	}
	return n
}

// sortedKeys returns the keys of m in order; never nil.
func sortedKeys[V any](m map[string]V) []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
}

// errorIsAny reports whether err is one of the targets.
func errorIsAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

package writeback

import "context"

// gate is a mutex whose waiting can be given up. Whoever is inside may change the content of a file
// or rely on its not changing.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits for the gate until ctx ends, then returns ctx's error.
func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // not by chance: select would pick either
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try enters if nobody is inside.
func (g gate) try() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }

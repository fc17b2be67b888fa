package power

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/internal/power/powertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWithoutABusNothingIsHeard(t *testing.T) {
	Watch(t.Context(), Config{Address: "unix:path=" + t.TempDir() + "/none", Log: slog.New(slog.DiscardHandler)})
}

func TestLaptopsLifeIsHeard(t *testing.T) {
	bus := powertest.New(t)
	heard := make(chan string, 10)
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, Config{
			Address: bus.Address, Log: slog.New(slog.DiscardHandler),
			Sleep:   func(context.Context) { heard <- "sleep"; <-release },
			Wake:    func(context.Context) { heard <- "wake" },
			Metered: func(on bool) { heard <- map[bool]string{true: "metered", false: "unmetered"}[on] },
		})
	}()
	bus.Inhibited()
	bus.Metered(true)
	require.Equal(t, "metered", <-heard)
	bus.Metered(true)
	bus.Metered(false)
	require.Equal(t, "unmetered", <-heard, "what has not changed is not told")

	bus.Sleep(true)
	require.Equal(t, "sleep", <-heard)
	close(release)
	bus.Released() // the machine waits until it is ready, and no longer
	bus.Sleep(false)
	bus.Inhibited()
	require.Equal(t, "wake", <-heard)
	cancel()
	<-ended
	assert.Empty(t, heard)
}

func TestMeteredIsUnderstood(t *testing.T) {
	for value, want := range map[any]bool{uint32(0): false, uint32(1): true, uint32(2): false, uint32(3): true, uint32(4): false, "1": false} {
		assert.Equal(t, want, isMetered(value), value)
	}
}

package events

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNobodyHoldsTheBusUp(t *testing.T) {
	bus := &Bus{Mountpoint: "/mnt", Source: "default:/", Account: "default"}
	quick, slow := bus.Subscribe(10), bus.Subscribe(2)
	for i := range 5 {
		bus.Publish(Event{Kind: QueueDrained, Files: i})
	}
	assert.Zero(t, quick.Dropped())
	assert.Equal(t, int64(3), slow.Dropped())
	e := <-slow.C
	assert.Equal(t, Event{Kind: QueueDrained, Time: e.Time, Mountpoint: "/mnt", Source: "default:/", Account: "default"}, e)
	assert.False(t, e.Time.IsZero())

	quick.Close()
	bus.Publish(Event{Kind: QueueDrained})
	n := 0
	for range quick.C {
		n++
	}
	assert.Equal(t, 5, n, "what waited is read, then it ends")
	quick.Close() // again
	slow.Close()
	(*Bus)(nil).Publish(Event{})
}

package events

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waiting returns what a subscription has, without waiting.
func waiting(s *Subscription) (all []Event) {
	for {
		select {
		case e := <-s.C:
			e.Time, e.Mountpoint = time.Time{}, ""
			all = append(all, e)
		default:
			return all
		}
	}
}

func TestChangesOfADirectoryAreOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &Bus{Mountpoint: "/mnt"}
		sub := bus.Subscribe(10)
		g := NewGrouper(bus, 2*time.Second)
		defer g.Close()
		g.Changed("/mnt/a", "two", false)
		g.Changed("/mnt/a", "one", false)
		g.Changed("/mnt/b", "x", false)
		time.Sleep(time.Second)
		g.Changed("/mnt/a", "gone", true)
		g.Changed("/mnt/a", "one", false)
		g.Changed("/mnt/a", "two", true)
		synctest.Wait()
		assert.Empty(t, waiting(sub))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.ElementsMatch(t, []Event{
			{Kind: RemoteChange, Directory: "/mnt/a", Changed: []string{"one"}, Removed: []string{"gone", "two"}},
			{Kind: RemoteChange, Directory: "/mnt/b", Changed: []string{"x"}, Removed: []string{}},
		}, waiting(sub))
		g.Changed("/mnt/a", "later", false)
		g.Close()
		assert.Len(t, waiting(sub), 1, "what waits is told at the end")
		g.Changed("/mnt/a", "too late", false)
		time.Sleep(time.Minute)
		assert.Empty(t, waiting(sub))
	})
}

func TestGroupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &Bus{Mountpoint: "/mnt"}
		sub := bus.Subscribe(1000)
		g := NewGrouper(bus, time.Second)
		for i := range groupedNames + 7 {
			g.Changed("/mnt/a", fmt.Sprint(i), false)
		}
		for i := range 2 * groupedDirs {
			g.Changed(fmt.Sprintf("/mnt/dir%d", i), "x", false)
		}
		g.Close()
		more := map[string]int{}
		all := waiting(sub)
		for _, e := range all {
			more[e.Directory] += e.More
		}
		require.Len(t, all, groupedDirs+1)
		assert.Equal(t, 7, more["/mnt/a"])
		assert.Equal(t, groupedDirs+1, more["/mnt"], "the directories that found no room")
	})
}

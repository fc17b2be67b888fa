package fs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// isClosed reports whether a channel is.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestSleepIsAnnouncedAndThenTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n nap
		announced, late := n.signs()
		n.begin(n.end)
		n.begin(n.end) // once more does nothing
		assert.True(t, isClosed(announced))
		assert.False(t, isClosed(late))
		time.Sleep(sleepPatience)
		synctest.Wait()
		assert.True(t, isClosed(late))

		n.end()
		announced, late = n.signs()
		assert.False(t, isClosed(announced) || isClosed(late), "the next time is another")

		n.begin(n.end)
		n.end() // at once
		again, stillLate := n.signs()
		assert.False(t, isClosed(again))
		assert.Equal(t, late, stillLate, "who waits since before is told the next time too")
		n.begin(n.end)
		time.Sleep(napMost)
		synctest.Wait()
		awake, _ := n.signs()
		assert.False(t, isClosed(awake), "a sleep that does not come is not waited for for ever")
	})
}

package measure

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestBucketsJoin: every duration lies in exactly one bucket, and none but the last is wider than an eighth of where it begins.
func TestBucketsJoin(t *testing.T) {
	assert.Equal(t, 0, bucketOf(0))
	for i := range buckets - 1 {
		end := bucketEnd(i)
		require.Equal(t, i, bucketOf(end-1), "the last nanosecond of bucket %d", i)
		require.Equal(t, i+1, bucketOf(end), "the end of bucket %d", i)
		if i >= subs {
			require.LessOrEqual(t, end-bucketEnd(i-1), bucketEnd(i-1)/subs, "the width of bucket %d", i)
		}
	}
	assert.Greater(t, bucketEnd(buckets-2), time.Hour)
	assert.Equal(t, buckets-1, bucketOf(1<<62))
}

// TestQuantilesAgreeWithSorting compares with the sorted list of what was recorded, and differences with what came in between.
func TestQuantilesAgreeWithSorting(t *testing.T) {
	durations := rapid.SliceOf(rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1<<rapid.IntRange(1, 41).Draw(t, "bits")).Draw(t, "ns"))
	}))
	rapid.Check(t, func(t *rapid.T) {
		var h Histogram
		for _, d := range durations.Draw(t, "before") {
			h.Record(d)
		}
		before := h.Counts()
		list := durations.Draw(t, "after")
		sum := time.Duration(0)
		for _, d := range list {
			h.Record(d)
			sum += d
		}
		got := h.Counts().Since(before)
		require.EqualValues(t, len(list), got.N())
		require.Equal(t, sum, got.Sum)
		if len(list) == 0 {
			require.Zero(t, got.Quantile(0.5))
			require.Zero(t, got.Mean())
			return
		}
		slices.Sort(list)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		rank := 1
		for float64(rank) < q*float64(len(list)) {
			rank++
		}
		want, is := list[rank-1], got.Quantile(q)
		require.Greater(t, is, want)
		require.LessOrEqual(t, is, want+want/subs+Unit)
		d := rapid.SampledFrom(list).Draw(t, "within")
		shorter := 0
		for _, o := range list {
			if bucketOf(o) < bucketOf(d) {
				shorter++
			}
		}
		require.EqualValues(t, shorter, got.Within(d))
	})
}

func TestGroupCountsBetweenTwoTimes(t *testing.T) {
	var g Group
	g.Row("list").Record(time.Millisecond, "")
	g.Row("list").Record(time.Millisecond, "throttled")
	g.Row("quiet").Record(time.Second, "offline")
	before := g.Totals()
	g.Row("list").Record(2*time.Second, "throttled")
	g.Row("list").Brought(10)
	g.Row("list").Retried()
	g.Row("new").Carried(3)
	got := Since(g.Totals(), before)
	require.Len(t, got, 2)
	assert.Equal(t, "list", got[0].Name)
	assert.Equal(t, map[string]int64{"throttled": 1}, got[0].Failures)
	assert.EqualValues(t, 1, got[0].Took.N())
	assert.Equal(t, 2*time.Second, got[0].Took.Mean())
	assert.EqualValues(t, 10, got[0].In)
	assert.EqualValues(t, 1, got[0].Retries)
	assert.EqualValues(t, 3, got[1].Out)
	assert.EqualValues(t, 2, before[0].Took.N(), "what was returned before stays as it was")
	assert.Equal(t, map[string]int64{"throttled": 1}, before[0].Failures)
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	var g Group
	row, began := g.Row("read"), time.Now()
	programs := NewPrograms(func(uint32) string { return "cat" })
	programs.Of(4711, began)
	var slow Slowest
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		row.Record(time.Millisecond, "")
		programs.Of(4711, began).ReadBytes.Add(1)
		slow.Note("read", began, func() string { return "/a" })
	}))
}

func TestProgramsAreLookedUpNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name, asked := "bash", 0
		p := NewPrograms(func(uint32) string { asked++; return name })
		p.Of(7, time.Now()).Opens.Add(1)
		name = "cat" // it runs another program now
		p.Of(7, time.Now()).Opens.Add(1)
		assert.Equal(t, 1, asked)
		time.Sleep(seenLife)
		p.Of(7, time.Now()).Reads.Add(5)
		p.Of(7+seenSlots, time.Now()).ReadBytes.Add(9) // another thread, in the same place
		p.Of(7, time.Now()).Fetched.Add(1)
		name = ""
		p.Of(8, time.Now())
		p.Of(0, time.Now()).WrittenBytes.Add(1)
		assert.Equal(t, []Usage{{Name: "cat", Reads: 5, ReadBytes: 9, Fetched: 1}, {Name: "bash", Opens: 2}}, p.Usage())
		assert.Equal(t, 5, asked, "the kernel is asked of nobody")
	})
}

func TestProgramsAreBounded(t *testing.T) {
	n := 0
	p := NewPrograms(func(uint32) string { n++; return fmt.Sprint("p", n) })
	for tid := range uint32(2 * maxPrograms) {
		p.Of(tid+1, time.Now()).Opens.Add(1)
	}
	got := p.Usage()
	assert.Len(t, got, maxPrograms+1)
	assert.Equal(t, Usage{Name: OtherPrograms, Opens: maxPrograms}, got[0])
}

func TestProcessNameIsThatOfTheProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/comm"); err != nil {
		t.Skip("no /proc")
	}
	assert.Contains(t, ProcessName(uint32(os.Getpid())), "measure")
	assert.Empty(t, ProcessName(1<<31))
}

func TestSlowestKeepsTheLongestOfEachPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slowest
		note := func(op, path string, took time.Duration) {
			s.Note(op, time.Now().Add(-took), func() string { return path })
		}
		note("read", "/before", time.Hour)
		end := s.Look(3)
		other := s.Look(1)
		for i := range 5 {
			note("read", fmt.Sprint("/", i), time.Duration(i)*time.Second)
		}
		note("read", "/4", 2*time.Second)
		note("read", "/3", 9*time.Second)
		note("open", "/3", time.Millisecond)
		assert.Equal(t, "/3", other()[0].Path)
		note("read", "/5", 8*time.Second)
		var got []string
		for _, slow := range end() {
			got = append(got, fmt.Sprint(slow.Path, " ", slow.Took))
		}
		assert.Equal(t, []string{"/3 9s", "/5 8s", "/4 4s"}, got)
		s.Note("read", time.Now(), func() string { t.Error("nobody looks"); return "" })
	})
}

func TestRecordingIsSafe(t *testing.T) {
	var g Group
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				g.Row(fmt.Sprint(i%3)).Record(time.Duration(i), fmt.Sprint(i%2))
				g.Totals()
			}
		})
	}
	all.Wait()
	n := int64(0)
	for _, t := range g.Totals() {
		n += t.Took.N()
	}
	assert.EqualValues(t, 8000, n)
}

func BenchmarkRecord(b *testing.B) {
	var g Group
	row := g.Row("read")
	programs := NewPrograms(func(uint32) string { return "cat" })
	for b.Loop() {
		began := time.Now()
		ended := time.Now()
		row.Record(ended.Sub(began), "")
		programs.Of(7, ended).ReadBytes.Add(1)
	}
}

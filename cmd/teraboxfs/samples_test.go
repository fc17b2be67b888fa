package main

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/remote"
)

func TestSamplesAreWhatHappenedSinceTheLast(t *testing.T) {
	now := totals{at: time.Unix(1000, 0)}
	s := &sampler{count: func() totals { return now }, last: now}
	now = totals{at: time.Unix(1001, 0), read: 10, fetched: 20, written: 5, hits: 3, misses: 1, pending: 2, Traffic: remote.Traffic{Calls: 4, Failed: 1, Sent: 7}}
	s.take()
	now.at, now.read = time.Unix(1003, 0), 15
	s.take()
	got := s.samples(control.SamplesRequest{})
	require.Len(t, got, 2)
	assert.Equal(t, control.Sample{
		At: time.Unix(1001, 0), Seconds: 1, Read: 10, Fetched: 20, Written: 5, Sent: 7, Hits: 3, Misses: 1, Requests: 4, Failed: 1, Pending: 2,
	}, got[0])
	assert.Equal(t, control.Sample{At: time.Unix(1003, 0), Seconds: 2, Read: 5, Pending: 2}, got[1])
	assert.Equal(t, got[1:], s.samples(control.SamplesRequest{Last: 1}))
	assert.Equal(t, got[1:], s.samples(control.SamplesRequest{After: got[0].At}))
	assert.NotNil(t, s.samples(control.SamplesRequest{After: got[1].At}))
	for range 2 * control.SamplesKept {
		now.at = now.at.Add(time.Second)
		s.take()
	}
	got = s.samples(control.SamplesRequest{})
	assert.Len(t, got, control.SamplesKept)
	assert.Equal(t, now.at, got[len(got)-1].At)
}

// TestSamplerTakesOneASecond: what happened in a second is in its sample.
func TestSamplerTakesOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64
		s := startSampler(func() totals { return totals{at: time.Now(), read: read.Load()} })
		defer s.close()
		time.Sleep(control.SampleEvery / 2) // between two samples
		for range 5 {
			read.Add(100)
			time.Sleep(control.SampleEvery)
		}
		got := s.samples(control.SamplesRequest{})
		require.Len(t, got, 5)
		for i, one := range got {
			assert.InDelta(t, 1, one.Seconds, 1e-9)
			assert.InDelta(t, 100, perSecond(one.Read, one), 1e-9, "sample %d", i)
		}
		assert.InDelta(t, 100, perSecond(joined(got).Read, joined(got)), 1e-9)
	})
}

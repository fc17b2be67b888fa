package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// samplesOf is n samples that set fills, the last one now.
func samplesOf(n int, set func(i int, s *control.Sample)) []control.Sample {
	out := make([]control.Sample, n)
	for i := range out {
		out[i] = control.Sample{At: time.Unix(int64(1000+i), 0), Seconds: 1, Streams: 4}
		set(i, &out[i])
	}
	return out
}

func TestBottleneckIsDecidedByTheFirstRuleThatHolds(t *testing.T) {
	const mib = 1 << 20
	fetching := func(_ int, s *control.Sample) { s.Fetched, s.Fetching, s.Read = 20*mib, 4, 20*mib }
	for name, tc := range map[string]struct {
		set  func(i int, s *control.Sample)
		kind string
		why  string
	}{
		"nothing":     {func(int, *control.Sample) {}, control.BottleneckIdle, "nothing is read, written or sent"},
		"all streams": {fetching, control.BottleneckLink, "the streams, 4 at present, are busy: 20 MiB/s"},
		"throttled 35 s ago, quiet since": {func(i int, s *control.Sample) {
			if i == 24 {
				s.Throttled = 1
			}
		}, control.BottleneckThrottle, "the service asked for less once in the last 40s"},
		"throttled 41 s ago": {func(i int, s *control.Sample) {
			if i == 18 {
				s.Throttled = 1
			}
		}, control.BottleneckIdle, "nothing is read, written or sent"},
		"throttled under load": {func(i int, s *control.Sample) {
			fetching(i, s)
			s.Throttled = 1
		}, control.BottleneckThrottle, "the service asked for less 40 times in the last 40s"},
		"a full staging directory": {func(_ int, s *control.Sample) { s.Waiting = 2 }, control.BottleneckDisk, "2 writers wait for staging space"},
		"a slow cache disk": {func(i int, s *control.Sample) {
			fetching(i, s)
			s.NotCached = 3 * mib
		}, control.BottleneckDisk, "the cache's disk did not take 15 MiB of 100 MiB"},
		"a disk that misses little": {func(i int, s *control.Sample) {
			fetching(i, s)
			s.NotCached = mib
		}, control.BottleneckLink, "the streams, 4 at present, are busy: 20 MiB/s"},
		"our processors": {func(i int, s *control.Sample) {
			fetching(i, s)
			s.CPU = 1.8
		}, control.BottleneckUs, "this process uses 1.8 of 2 processors"},
		"three of four streams": {func(i int, s *control.Sample) {
			fetching(i, s)
			s.Fetching = 3
		}, control.BottleneckLink, "the streams, 4 at present, are busy: 20 MiB/s"},
		"parts": {func(_ int, s *control.Sample) { s.Sent, s.Sending = 5*mib, 2 }, control.BottleneckLink, "2 parts are on their way up, 5.0 MiB/s"},
		"one range at a time": {func(_ int, s *control.Sample) { s.Fetched, s.Fetching = mib, 1 }, control.BottleneckPrograms,
			"1 of 4 streams are busy: programs ask for no more at a time"},
		"cached reads": {func(_ int, s *control.Sample) { s.Read = 500 * mib }, control.BottleneckPrograms, "programs get all they ask for"},
		"ended a second ago": {func(i int, s *control.Sample) {
			if i < 59 {
				fetching(i, s)
			}
		}, control.BottleneckLink, "the streams, 4 at present, are busy: 16 MiB/s"},
	} {
		t.Run(name, func(t *testing.T) {
			got := bottleneckOf(samplesOf(60, tc.set), 2)
			assert.Equal(t, control.Bottleneck{Kind: tc.kind, Why: tc.why}, got)
		})
	}
}

func TestPlaysIsWhatTheLinkGaveMostOfTheTime(t *testing.T) {
	assert.Nil(t, playsOf(samplesOf(10, func(int, *control.Sample) {})), "nothing was fetched")
	assert.Nil(t, playsOf(samplesOf(2, func(_ int, s *control.Sample) { s.Fetched, s.Fetching = 1e6, 4 })), "too short")
	full := playsOf(samplesOf(11, func(i int, s *control.Sample) { // ten seconds: 1, 2, ... 10 MB/s
		s.Fetched, s.Fetching = int64(i)*1e6, 4
	}))
	require.NotNil(t, full)
	assert.InDelta(t, 0.8*8*3e6, full.BitsPerSecond, 1, "eight of ten seconds had 3 MB/s and more")
	assert.Equal(t, 10, full.Seconds)
	assert.False(t, full.AtLeast)
	some := playsOf(samplesOf(11, func(i int, s *control.Sample) { s.Fetched, s.Fetching = 1e6, 1 }))
	require.NotNil(t, some)
	assert.InDelta(t, 0.8*8*1e6, some.BitsPerSecond, 1)
	assert.True(t, some.AtLeast)
}

func TestNowIsTheLastTenSeconds(t *testing.T) {
	assert.Nil(t, nowOf(nil, nil))
	now := nowOf(samplesOf(20, func(i int, s *control.Sample) {
		s.Read, s.Requests, s.Hits, s.Misses, s.OpenFiles = int64(i)*100, 2, 3, 1, int64(i)
	}), &control.AccountState{State: control.StateOK})
	assert.InDelta(t, 1450, now.Read, 1e-9)
	assert.InDelta(t, 2, now.Requests, 1e-9)
	require.NotNil(t, now.HitShare)
	assert.InDelta(t, 0.75, *now.HitShare, 1e-9)
	assert.EqualValues(t, 19, now.OpenFiles)
	first := nowOf(samplesOf(1, func(_ int, s *control.Sample) { s.Seconds = 0 }), &control.AccountState{State: control.StateThrottled})
	assert.Zero(t, first.Read)
	assert.Equal(t, control.BottleneckThrottle, first.Bottleneck.Kind)
	assert.Nil(t, first.HitShare)
}

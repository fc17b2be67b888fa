package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/measure"
)

// mostSlow is how many of the slowest operations a profile may ask for.
const mostSlow = 100

// calls are the requests to the service so far.
func (m *mounted) calls() []measure.Totals {
	if m.session.calls == nil {
		return nil
	}
	return m.session.calls()
}

// Profile implements control.Daemon.
func (m *mounted) Profile(ctx context.Context, req control.ProfileRequest) (control.Profile, error) {
	watched := time.Duration(req.Seconds * float64(time.Second))
	if watched < 0 || watched > control.MostProfiled || req.Slowest < 0 || req.Slowest > mostSlow {
		return control.Profile{}, errors.New("more than can be watched")
	}
	began, operations, calls := time.Now(), m.fs.Operations(), m.calls()
	slowest := m.fs.LookAtSlowest(req.Slowest)
	var err error
	select {
	case <-time.After(watched):
	case <-ctx.Done():
		err = ctx.Err()
	case <-m.until.Done():
		err = errors.New("the mount has ended")
	}
	p := control.Profile{Slowest: []control.Slow{}}
	for _, s := range slowest() {
		p.Slowest = append(p.Slowest, control.Slow{Operation: s.Operation, Path: s.Path, TookMS: milliseconds(s.Took), At: s.At})
	}
	p.Seconds = time.Since(began).Seconds()
	p.Operations = latencies(measure.Since(m.fs.Operations(), operations))
	p.Service = latencies(measure.Since(m.calls(), calls))
	return p, err
}

// latencies are rows as a profile shows them, what took longest in all first.
func latencies(rows []measure.Totals) []control.Latency {
	out := make([]control.Latency, 0, len(rows))
	for _, r := range rows {
		at := func(q float64) float64 { return milliseconds(r.Took.Quantile(q)) }
		out = append(out, control.Latency{
			Name: r.Name, Count: r.Took.N(), Errors: r.Failures, Retries: r.Retries, In: r.In, Out: r.Out,
			TotalMS: milliseconds(r.Took.Sum), MeanMS: milliseconds(r.Took.Mean()), P50MS: at(0.5), P90MS: at(0.9), P99MS: at(0.99), MaxMS: at(1),
		})
	}
	slices.SortStableFunc(out, func(a, b control.Latency) int { return cmp.Compare(b.TotalMS, a.TotalMS) })
	return out
}

// Programs implements control.Daemon.
func (m *mounted) Programs(context.Context, struct{}) ([]control.Program, error) {
	out := []control.Program{}
	for _, u := range m.fs.Programs() {
		out = append(out, control.Program{
			Name: u.Name, Opens: u.Opens, Reads: u.Reads, Read: u.ReadBytes, Fetched: u.Fetched, Writes: u.Writes, Written: u.WrittenBytes,
		})
	}
	return out, nil
}

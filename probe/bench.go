package probe

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Bench measures what the link to a service brings. It works inside a directory that it makes, and removes it in the end.
type Bench struct {
	Service Service
	Dir     string // directory of the drive that exists
	Rand    *rand.Rand
	Now     func() time.Time

	Size    int64 // of the file that is sent and fetched
	Streams int   // connections to compare with one
	Parts   int   // likewise, for sending
}

const (
	benchCalls = 7       // of which the median is told
	benchSmall = 10      // files
	benchBytes = 4 << 10 // of each
	benchTime  = 10 * time.Second
)

// Figures are what Bench measured. A rate is in bytes a second; 0: it was not measured.
type Figures struct {
	RoundTrip time.Duration `json:"round_trip_ns"` // of an API call, the median
	FirstByte time.Duration `json:"first_byte_ns"` // of a range of a file whose link is known, the median

	SendOne  float64 `json:"send_one"`  // one part at a time
	SendMany float64 `json:"send_many"` // Parts at a time
	GetOne   float64 `json:"get_one"`   // one stream
	GetMany  float64 `json:"get_many"`  // Streams

	SmallFiles float64 `json:"small_files"` // of 4 KiB, sent a second, two at a time
}

// Cost is about what Run costs.
func (b *Bench) Cost() (calls int, sent, fetched int64) {
	return benchCalls + 3*benchSmall + 10, 2*b.Size + benchSmall*benchBytes, 2 * b.Size
}

// Run measures everything, and calls note before each step. left is the directory that could not be removed.
func (b *Bench) Run(ctx context.Context, note func(step string)) (f Figures, left string, err error) {
	p := &Probe{Service: b.Service, Dir: b.Dir, Rand: b.Rand, Now: b.Now}
	p.root = path.Join(b.Dir, fmt.Sprintf("teraboxfs-bench-%08x", b.Rand.Uint32()))
	if _, err := b.Service.Mkdir(ctx, p.root); err != nil {
		return f, "", err
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if b.Service.Remove(clean, p.root) != nil {
			left = p.root
		}
	}()
	note("round trips")
	if f.RoundTrip, err = median(benchCalls, func() error { _, err := b.Service.Stat(ctx, p.root); return err }); err != nil {
		return f, "", err
	}
	note("sending one part at a time")
	file, rate, err := b.send(ctx, p, 1)
	if f.SendOne = rate; err != nil {
		return f, "", err
	}
	note(fmt.Sprintf("sending %d parts at a time", b.Parts))
	if _, f.SendMany, err = b.send(ctx, p, b.Parts); err != nil {
		return f, "", err
	}
	note("first bytes")
	f.FirstByte, err = median(benchCalls, func() error { _, err := p.read(ctx, file, b.Rand.Int64N(file.Size-1024), 1024); return err })
	if err != nil {
		return f, "", err
	}
	note("one stream")
	if f.GetOne, err = b.get(ctx, file, 1); err != nil {
		return f, "", err
	}
	note(fmt.Sprintf("%d streams", b.Streams))
	if f.GetMany, err = b.get(ctx, file, b.Streams); err != nil {
		return f, "", err
	}
	note("small files")
	f.SmallFiles, err = b.small(ctx, p)
	return f, "", err
}

// median runs do some times and returns the time that half of them stayed below.
func median(times int, do func() error) (time.Duration, error) {
	took := make([]time.Duration, times)
	for i := range took {
		began := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[times/2], nil
}

// send uploads a file of Size, so many parts at a time, and returns it and the rate of its parts.
func (b *Bench) send(ctx context.Context, p *Probe, atOnce int) (remote.Entry, float64, error) {
	data, at := p.random(int(b.Size)), p.fresh()
	pre, err := begin(ctx, b.Service, at, data, b.Now(), remote.ConflictFail)
	if err != nil {
		return remote.Entry{}, 0, err
	}
	began := time.Now()
	g, parting := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range parts(data) {
		g.Go(func() error { return send(parting, b.Service, at, pre.UploadID, data, i) })
	}
	if err := g.Wait(); err != nil {
		return remote.Entry{}, 0, err
	}
	rate := float64(len(data)) / time.Since(began).Seconds()
	_, err = b.Service.Create(ctx, remote.CreateRequest{Path: at, Size: b.Size, UploadID: pre.UploadID, BlockList: parts(data), Mtime: b.Now(), Conflict: remote.ConflictFail})
	if err != nil {
		return remote.Entry{}, 0, err
	}
	e, err := b.Service.Stat(ctx, at)
	return e, rate, err
}

// get fetches the file over so many connections, each a piece of it, for benchTime at most, and returns the rate.
func (b *Bench) get(ctx context.Context, file remote.Entry, streams int) (float64, error) {
	var came atomic.Int64
	began := time.Now()
	g, fetching := errgroup.WithContext(ctx)
	piece := file.Size / int64(streams)
	for i := range int64(streams) {
		g.Go(func() error {
			body, err := b.Service.OpenRange(fetching, file, i*piece, piece)
			if err != nil {
				return err
			}
			defer body.Close()
			buf := make([]byte, 64<<10)
			for time.Since(began) < benchTime {
				n, err := body.Read(buf)
				came.Add(int64(n))
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return float64(came.Load()) / time.Since(began).Seconds(), err
}

// small sends small files, two at a time, and returns how many a second.
func (b *Bench) small(ctx context.Context, p *Probe) (float64, error) {
	began := time.Now()
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for range benchSmall {
		data, at := p.random(benchBytes), p.fresh()
		g.Go(func() error {
			_, err := put(sending, b.Service, at, data, b.Now(), remote.ConflictFail)
			return err
		})
	}
	err := g.Wait()
	return benchSmall / time.Since(began).Seconds(), err
}

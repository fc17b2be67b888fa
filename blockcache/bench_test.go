package blockcache

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"
)

// Sequential reads of 128 KiB, the kernel's, of an object that is cached.
func BenchmarkCachedSequential(b *testing.B) {
	src := newBank(32 * mib)
	c := newCache(b, Config{})
	r := open(b, c, src.object("a"))
	readBack(b, r, src, 0, 32*mib)
	p := make([]byte, grainLen)
	b.SetBytes(grainLen)
	b.ReportAllocs()
	off := int64(0)
	for b.Loop() {
		if _, err := r.ReadAt(context.Background(), p, off); err != nil {
			b.Fatal(err)
		}
		if off += grainLen; off == 32*mib {
			off = 0
		}
	}
}

// Sequential reads of 128 KiB through a Fetcher that costs one copy, 64 KiB at a time.
func BenchmarkColdSequential(b *testing.B) {
	const size = 256 << 20
	for name, streams := range map[string]int{"1 stream": 1, "4 streams": 4} {
		b.Run(name, func(b *testing.B) {
			p := make([]byte, grainLen)
			b.SetBytes(size)
			b.ReportAllocs()
			c := newCache(b, Config{Streams: streams})
			round := 0
			for b.Loop() {
				round++
				r := c.Open(Object{Key: string(rune(round)), Size: size, Fetcher: loop{}})
				for off := int64(0); off < size; off += grainLen {
					if _, err := r.ReadAt(context.Background(), p, off); err != nil {
						b.Fatal(err)
					}
				}
				_ = r.Close()
			}
			s := c.Stats()
			b.ReportMetric(float64(s.BytesFetched)/float64(s.BytesRead), "fetched/read")
			b.ReportMetric(float64(s.Misses)/float64(s.Hits+s.Misses), "misses/read")
		})
	}
}

// Random reads of 4 KiB of an object that is cached.
func BenchmarkCachedRandom4K(b *testing.B) {
	src := newBank(32 * mib)
	c := newCache(b, Config{})
	r := open(b, c, src.object("a"))
	readBack(b, r, src, 0, 32*mib)
	b.SetBytes(4 * kib)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, 4*kib)
		rnd := rand.New(rand.NewPCG(1, 2))
		for pb.Next() {
			if _, err := r.ReadAt(context.Background(), p, rnd.Int64N(8192)*4*kib); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// Random reads of 4 KiB of an object eight times the size of memory.
func BenchmarkColdRandom4K(b *testing.B) {
	const size = 256 << 20
	c := newCache(b, Config{Memory: size / 8})
	r := open(b, c, Object{Key: "a", Size: size, Fetcher: loop{}})
	p := make([]byte, 4*kib)
	rnd := rand.New(rand.NewPCG(1, 2))
	b.SetBytes(4 * kib)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadAt(context.Background(), p, rnd.Int64N(size/(4*kib))*4*kib); err != nil {
			b.Fatal(err)
		}
	}
}

// loop is a Fetcher of the same 64 KiB over and over: what a socket costs, less the kernel.
type loop struct{}

func (loop) Fetch(_ context.Context, _, n int64) (io.ReadCloser, error) {
	return &loopStream{left: n}, nil
}

type loopStream struct {
	left int64
	buf  [64 << 10]byte
}

func (s *loopStream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.buf[:min(s.left, int64(len(s.buf)))])
	s.left -= int64(n)
	return n, nil
}

func (s *loopStream) Close() error { return nil }

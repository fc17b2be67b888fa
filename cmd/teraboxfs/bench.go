package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/probe"
)

func (a *app) benchCommand() *cobra.Command {
	var yes bool
	length := size(32 << 20)
	cmd := a.command("bench [/DIR]", "Measure the link to the service and the disks here", 0, 1, func(ctx context.Context, args []string) error {
		return a.bench(ctx, append(args, "/")[0], int64(length), yes)
	}, groupSession, groupTransfer)
	cmd.Flags().AddFlag(a.find("cache-dir"))
	cmd.Flags().Var(&length, "size", "of the file that is sent and fetched, twice each")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask before")
	cmd.Long = "Measures round trips, first bytes, sending and fetching over one connection and over several, and small files, in a directory that it\n" +
		"makes below DIR of your drive and removes again; and the disks of the state and the cache directory. It says first what that costs."
	return cmd
}

// benchReport is everything that was measured.
type benchReport struct {
	probe.Figures
	Disks    []diskFigures `json:"disks"`
	Suggests []string      `json:"suggests"`
}

// diskFigures are the rates of a disk here, in bytes a second.
type diskFigures struct {
	Dir   string  `json:"dir"`
	Write float64 `json:"write"` // synced
	Read  float64 `json:"read"`  // from the kernel's memory, most of it
}

// smallestBench is the least --size: several parts, and a piece for each stream.
const smallestBench = 8 << 20

func (a *app) bench(ctx context.Context, dir string, length int64, yes bool) error {
	if length < smallestBench {
		return badSetting("--size", "8M is the least", "%s is too little to measure with", bytesText(length))
	}
	f, paths, err := a.onDrive(ctx, "bench", dir)
	if err != nil {
		return fail("bench", dir, err)
	}
	defer f.close()
	dir = path.Clean(paths[0])
	if e, err := farLook(ctx, f.drive, dir); err != nil || !e.IsDir {
		return fail("bench", dir, errors.Join(err, errorIf(err == nil, errNoDirectory)))
	}
	b := &probe.Bench{Service: f.drive.Client, Dir: dir, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Now: time.Now,
		Size: length, Streams: a.streams.value, Parts: a.parts.value}
	calls, sent, fetched := b.Cost()
	if !yes {
		err := a.confirm("bench", fmt.Sprintf("about %d calls, %s sent and %s fetched, in a directory below %s that is removed again. Go on?", calls, bytesText(sent), bytesText(fetched), dir))
		if err != nil {
			return fail("bench", dir, err)
		}
	}
	figures, left, err := b.Run(ctx, func(step string) { a.say(a.err, "%s …", step) })
	if left != "" {
		a.say(a.err, "%s could not be removed; 'teraboxfs rm -r %s' does", left, left)
	}
	if err != nil {
		return fail("bench", dir, err)
	}
	report := benchReport{Figures: figures, Disks: []diskFigures{}}
	for _, where := range []string{a.stateDirectory(), a.cacheDirectory()} {
		a.say(a.err, "the disk of %s …", where)
		d, err := benchDisk(ctx, where, length)
		if err != nil {
			return fail("bench", where, err)
		}
		report.Disks = append(report.Disks, d)
	}
	report.Suggests = a.suggestions(report)
	return a.printBench(report)
}

// benchDisk writes and reads a file in a directory of ours.
func benchDisk(ctx context.Context, dir string, length int64) (d diskFigures, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, withoutPath(err)
	}
	f, err := os.CreateTemp(dir, "bench-")
	if err != nil {
		return d, withoutPath(err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	d.Dir, _ = filepath.Abs(dir)
	buf := make([]byte, 1<<20)
	for i := range buf {
		buf[i] = byte(rand.Uint32())
	}
	began := time.Now()
	for off := int64(0); off < length && ctx.Err() == nil; off += int64(len(buf)) {
		if _, err := f.WriteAt(buf, off); err != nil {
			return d, err
		}
	}
	if err := f.Sync(); err != nil {
		return d, err
	}
	d.Write = float64(length) / time.Since(began).Seconds()
	began = time.Now()
	for off := int64(0); off < length && ctx.Err() == nil; off += int64(len(buf)) {
		if _, err := f.ReadAt(buf, off); err != nil {
			return d, err
		}
	}
	d.Read = float64(length) / time.Since(began).Seconds()
	return d, ctx.Err()
}

// worthMore is by how much several connections have to beat one to be worth more of them, and worthLess below which they are not worth having.
const worthMore, worthLess = 0.8, 1.15

// suggestions follow from what was measured, and from nothing else.
func (a *app) suggestions(r benchReport) []string {
	all := []string{}
	compare := func(name string, n int, one, many float64) {
		switch gain := many / one; {
		case one == 0 || n < 2:
		case gain >= worthMore*float64(n):
			all = append(all, fmt.Sprintf("--%s=%d: %d brought %.1f times one, so that more may bring more", name, min(2*n, 64), n, gain))
		case gain < worthLess:
			all = append(all, fmt.Sprintf("--%s=1 would do: %d brought %.1f times one", name, n, gain))
		}
	}
	compare("streams", a.streams.value, r.GetOne, r.GetMany)
	compare("parts", a.parts.value, r.SendOne, r.SendMany)
	if r.SmallFiles > 0 && r.SmallFiles < 5 {
		all = append(all, fmt.Sprintf("--commit=background for many small files: %.1f a second go out", r.SmallFiles))
	}
	for _, d := range r.Disks {
		if d.Write < r.GetMany {
			all = append(all, fmt.Sprintf("another place for %s: the disk takes %s/s, the link brings %s/s", d.Dir, bytesText(int64(d.Write)), bytesText(int64(r.GetMany))))
		}
	}
	return all
}

func (a *app) printBench(r benchReport) error {
	rate := func(f float64) string { return bytesText(int64(f)) + "/s" }
	fields := []field{
		{"round trip", r.RoundTrip.Round(10 * time.Microsecond).String()},
		{"first byte", r.FirstByte.Round(10 * time.Microsecond).String()},
		{"one stream", rate(r.GetOne)},
		{fmt.Sprintf("%d streams", a.streams.value), rate(r.GetMany)},
		{"one part at a time", rate(r.SendOne)},
		{fmt.Sprintf("%d parts at a time", a.parts.value), rate(r.SendMany)},
		{"small files", fmt.Sprintf("%.1f a second", r.SmallFiles)},
	}
	for _, d := range r.Disks {
		fields = append(fields, field{"disk of " + d.Dir, fmt.Sprintf("%s written and synced, %s read", rate(d.Write), rate(d.Read))})
	}
	for _, s := range r.Suggests {
		fields = append(fields, field{"suggests", s})
	}
	return a.printFields(r, fields...)
}

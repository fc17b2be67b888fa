package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/teraboxfs/teraboxfs/transfer"
)

const (
	barsEvery = 100 * time.Millisecond
	barOfFile = 4 << 20 // bytes; smaller files have no bar of their own
	barNames  = 28      // characters of a name
)

// copyBars shows a bar for all that is copied and one for each large file on its way. Where nobody sees them it does nothing.
type copyBars struct {
	progress *transfer.Progress
	pace     func() float64 // calls a second at most; nil or 0: without bound
	began    time.Time

	container *mpb.Progress // nil: no bars
	total     *mpb.Bar
	files     map[*transfer.Active]*mpb.Bar
	quit      chan struct{}
	ended     sync.WaitGroup
}

func (a *app) newCopyBars(p *transfer.Progress, pace func() float64) *copyBars {
	b := &copyBars{progress: p, pace: pace, began: time.Now()}
	if !a.showsProgress() || a.json {
		return b
	}
	b.container = mpb.New(mpb.WithOutput(a.err), mpb.WithRefreshRate(barsEvery), mpb.WithWidth(40))
	b.files, b.quit = make(map[*transfer.Active]*mpb.Bar), make(chan struct{})
	b.total = b.container.AddBar(0, mpb.BarPriority(1<<20),
		mpb.PrependDecorators(decor.Any(b.counts)), mpb.AppendDecorators(decor.Any(b.remaining)))
	b.ended.Go(b.follow)
	return b
}

// follow moves the bars until close.
func (b *copyBars) follow() {
	tick := time.NewTicker(barsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.move()
		case <-b.quit:
			return
		}
	}
}

func (b *copyBars) move() {
	c, active := b.progress.Now()
	b.total.SetTotal(max(1, c.FoundBytes), false)
	b.total.SetCurrent(c.DoneBytes)
	here := make(map[*transfer.Active]bool, len(active))
	for _, at := range active {
		if at.Size < barOfFile {
			continue
		}
		here[at] = true
		if b.files[at] == nil {
			b.files[at] = b.container.AddBar(at.Size, mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name(shortName(at.Name), decor.WCSyncSpaceR)), mpb.AppendDecorators(decor.Percentage()))
		}
		b.files[at].SetCurrent(min(at.Bytes.Load(), at.Size-1)) // it is over when it is checked
	}
	for at, bar := range b.files {
		if !here[at] {
			bar.Abort(true)
			delete(b.files, at)
		}
	}
}

// shortName is the end of a path.
func shortName(name string) string {
	runes := []rune(oneLine(name))
	if len(runes) > barNames {
		runes = append([]rune("…"), runes[len(runes)-barNames+1:]...)
	}
	return string(runes)
}

// counts is what stands before the bar of all.
func (b *copyBars) counts(decor.Statistics) string {
	c, _ := b.progress.Now()
	more := ""
	if !c.Walked {
		more = "+"
	}
	return fmt.Sprintf("%d/%d%s files, %s/%s%s ", c.Done, c.Found, more, bytesText(c.DoneBytes), bytesText(c.FoundBytes), more)
}

// callsOfFile is how many API calls one file takes, about: a small one a precreate and a create, or a link.
const callsOfFile = 2

// remaining is the time that is left, as far as can be told: by the bytes at the rate so far, and no less than the calls for the files take at
// the present pace.
func (b *copyBars) remaining(decor.Statistics) string {
	c, _ := b.progress.Now()
	spent := time.Since(b.began)
	if c.Moved == 0 || spent < time.Second || !c.Walked {
		return ""
	}
	rate := float64(c.Moved) / spent.Seconds()
	left := float64(c.FoundBytes-c.DoneBytes) / rate
	if b.pace != nil {
		if pace := b.pace(); pace > 0 {
			left = max(left, float64(c.Found-c.Done)*callsOfFile/pace)
		}
	}
	return fmt.Sprintf(" %s/s, %s left", bytesText(int64(rate)), (time.Duration(left * float64(time.Second))).Round(time.Second))
}

// line prints a line above the bars.
func (b *copyBars) line(w io.Writer, text string) {
	if b.container != nil {
		w = b.container
	}
	fmt.Fprintln(w, text)
}

// close takes the bars away.
func (b *copyBars) close() {
	if b.container == nil {
		return
	}
	close(b.quit)
	b.ended.Wait()
	for _, bar := range b.files {
		bar.Abort(true)
	}
	b.total.Abort(true)
	b.container.Wait()
}

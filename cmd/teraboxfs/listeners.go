package main

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/events"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	groupTime     = 2 * time.Second  // changes of a directory that come within it are one event
	eventsWaiting = 256              // for one that is slow; further ones are lost to it
	commandTime   = 30 * time.Second // that a command of --on-event may take
	handOverTime  = 5 * time.Second  // that the end of a mount waits for events to be handed over
	quotaEvery    = 10 * time.Minute // between two looks at how full the drive is
	quotaFull     = 95               // percent of which others are told
	quotaAgain    = 93               // percent below which they are told once more
)

// listeners are those whom a mount tells of events, and what it tells them by.
type listeners struct {
	bus     *events.Bus
	grouper *events.Grouper

	subs    []*events.Subscription
	feeding sync.WaitGroup
	stop    context.CancelFunc // ends those that are slow
}

// openListeners starts telling whom the settings name.
func (a *app) openListeners(m *mounted) *listeners {
	ctx, stop := context.WithCancel(context.Background())
	l := &listeners{bus: m.events, grouper: events.NewGrouper(m.events, groupTime), stop: stop}
	log := a.log.With("room", "events")
	feed := func(sink events.Sink) {
		sub := l.bus.Subscribe(eventsWaiting)
		l.subs = append(l.subs, sub)
		l.feeding.Go(func() { events.Feed(ctx, sub, sink, log) })
	}
	if a.onEvent != "" {
		feed(&events.Command{Line: a.onEvent, Env: a.env.withoutSecrets(), Timeout: commandTime})
	}
	if a.onEventURL != "" {
		feed(events.NewURL(a.onEventURL))
	}
	return l
}

// close hands over what waits, for a moment.
func (l *listeners) close() {
	l.grouper.Close()
	for _, sub := range l.subs {
		sub.Close()
	}
	late := time.AfterFunc(handOverTime, l.stop)
	l.feeding.Wait()
	late.Stop()
	l.stop()
}

// withoutSecrets is the environment for commands that are none of ours.
func (e environment) withoutSecrets() []string {
	var all []string
	for name, value := range e.vars {
		if !slices.Contains(secretVariables, name) && name != daemonMark && name != "CREDENTIALS_DIRECTORY" && name != "NOTIFY_SOCKET" {
			all = append(all, name+"="+value)
		}
	}
	slices.Sort(all)
	return all
}

// hear implements fs.Options.Tell for a mount of root.
func (l *listeners) hear(dir, root string) func(fs.Note) {
	here := func(p string) string { // of a path of the drive
		return filepath.Join(dir, strings.TrimPrefix(p, strings.TrimSuffix(root, "/")))
	}
	return func(n fs.Note) {
		switch {
		case n.Changed != nil:
			l.grouper.Changed(here(path.Dir(n.Changed.Path)), path.Base(n.Changed.Path), n.Changed.Gone)
		case n.Failed != nil:
			l.bus.Publish(events.Event{Kind: events.UploadFailed, Path: here(n.Failed.Path), Error: oneLine(n.Failed.Err.Error())})
		case n.Conflict != nil:
			l.bus.Publish(events.Event{Kind: events.ConflictCopy, Path: here(n.Conflict.Path), Copy: here(n.Conflict.Copy)})
		case n.Drained > 0:
			l.bus.Publish(events.Event{Kind: events.QueueDrained, Files: n.Drained})
		}
	}
}

// watchQuota tells when the drive is nearly full, until ctx ends: it looks now and then, and when the queue has been sent.
func (l *listeners) watchQuota(ctx context.Context, quota func(context.Context) (remote.Quota, error)) {
	sub := l.bus.Subscribe(16)
	defer sub.Close()
	tick := time.NewTicker(quotaEvery)
	defer tick.Stop()
	told := false
	for {
		if q, err := quota(remote.Unhurried(ctx)); err == nil && q.Total > 0 {
			switch percent := q.Used * 100 / q.Total; {
			case percent >= quotaFull && !told:
				told = true
				l.bus.Publish(events.Event{Kind: events.QuotaLow, Used: q.Used, Total: q.Total})
			case percent < quotaAgain:
				told = false
			}
		}
		for looking := true; looking; {
			select {
			case <-tick.C:
				looking = false
			case e := <-sub.C:
				looking = e.Kind != events.QueueDrained
			case <-ctx.Done():
				return
			}
		}
	}
}

package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

const (
	tick      = time.Second      // between two events
	stallTime = 30 * time.Second // that one may take to leave: who reads nothing is gone
)

// events pushes how the mount is to an open page.
type events struct{ src Source }

// serve answers with an event of the samples there are, then one of new ones every second, and one of the state when that has changed. It
// ends with the request or the server.
func (e *events) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var last []byte
	var sampled time.Time
	for {
		_ = flush.SetWriteDeadline(time.Now().Add(stallTime)) // a server without it only waits longer
		state := e.state(r.Context())
		if !bytes.Equal(state, last) {
			if last = state; writeEvent(w, "state", state) != nil {
				return
			}
		}
		samples, err := e.src.Samples(r.Context(), control.SamplesRequest{After: sampled})
		if n := len(samples); n > 0 {
			sampled = samples[n-1].At
		}
		if err != nil || writeEvent(w, "samples", marshal(samples)) != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

func writeEvent(w http.ResponseWriter, name string, data []byte) error {
	_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
	return err
}

// state is everything but the samples as JSON, which has no line breaks.
func (e *events) state(ctx context.Context) []byte { return marshal(view(ctx, e.src)) }

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types are all of kinds that JSON has
	}
	return text
}

// shownRows is how many files of the queue a page is told of: those under way, those that failed, then the others.
const shownRows = 100

// State is what a page shows beside the samples and the drive.
type State struct {
	control.Status
	Pending   []control.Pending   `json:"pending"`   // the first of them
	Queue     Queue               `json:"queue"`     // all of them
	Conflicts int                 `json:"conflicts"` // copies made
	Cache     *control.CacheStats `json:"cache,omitempty"`
	Allowance *Allowance          `json:"allowance,omitempty"`
	Problems  []Problem           `json:"problems"`
}

// Queue adds up what is not on the drive.
type Queue struct {
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"`
	Sent   int64 `json:"sent"` // of these
	Failed int   `json:"failed"`
}

func view(ctx context.Context, src Source) State {
	s := State{Status: src.Status(), Allowance: src.Allowance(), Problems: src.Problems()}
	if s.Problems == nil {
		s.Problems = []Problem{}
	}
	s.Pending, s.Queue = firstOf(s.Status.Pending)
	s.Conflicts = len(s.Status.Conflicts)
	_ = src.Cache(ctx, control.CacheRequest{Op: "info"}, func(l control.CacheLine) error { // without it, its part of the page stays empty
		s.Cache = l.Stats
		return nil
	})
	return s
}

// firstOf returns the files to show, and the sum of all.
func firstOf(all []control.Pending) ([]control.Pending, Queue) {
	var q Queue
	rows := make([]control.Pending, 0, min(len(all), shownRows))
	for _, wanted := range []func(string) bool{
		func(state string) bool { return state == "committing" },
		func(state string) bool { return state == "failed" },
		func(state string) bool { return state != "committing" && state != "failed" },
	} {
		for _, p := range all {
			if wanted(p.State) && len(rows) < shownRows {
				rows = append(rows, p)
			}
		}
	}
	for _, p := range all {
		q.Files++
		q.Bytes += p.Bytes
		q.Sent += p.Sent
		if p.State == "failed" {
			q.Failed++
		}
	}
	return rows, q
}

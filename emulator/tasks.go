package emulator

import (
	"sync"
	"time"
)

// taskRunner runs the filemanager calls that answer a taskid, one at a time.
type taskRunner struct {
	length time.Duration // how long a task takes
	stop   chan struct{} // closed by finish: tasks under way end at once

	mu      sync.Mutex // guards what follows
	tasks   map[int64]*task
	next    int64
	running bool
	wg      sync.WaitGroup
}

// task is one filemanager call under way or done.
type task struct {
	started time.Time
	items   []taskItem
	done    bool
	code    errno // of the first item that failed
}

// taskItem is one path of a task, for its answer.
type taskItem struct{ from, to string }

// newTaskRunner makes a runner whose tasks take length.
func newTaskRunner(length time.Duration) *taskRunner {
	return &taskRunner{length: length, stop: make(chan struct{}), tasks: map[int64]*task{}, next: 77_881_234}
}

// busy tells whether a task is under way.
func (t *taskRunner) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}

// start begins a task that calls job once its time is over, and returns its id; errBusy if one is under way. job returns the first
// error number. The goroutine ends when the job is done; finish hurries it and waits.
func (t *taskRunner) start(items []taskItem, job func() errno) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return 0, errBusy
	}
	t.running = true
	t.next++
	id, tk := t.next, &task{started: time.Now(), items: items}
	t.tasks[id] = tk
	t.wg.Go(func() {
		timer := time.NewTimer(t.length)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-t.stop:
		}
		code := job()
		t.mu.Lock()
		defer t.mu.Unlock()
		tk.code, tk.done = code, true
		t.running = false
	})
	return id, nil
}

// taskState is what taskquery tells.
type taskState struct {
	status   string // pending, running, success or failed
	progress int    // per cent
	code     errno
	items    []taskItem
}

// query returns the state of a task.
func (t *taskRunner) query(id int64) (taskState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tk := t.tasks[id]
	if tk == nil {
		return taskState{}, false
	}
	st := taskState{items: tk.items, code: tk.code}
	switch {
	case tk.done && tk.code == 0:
		st.status, st.progress = "success", 100
	case tk.done:
		st.status, st.progress = "failed", 100
	default:
		st.progress = min(99, int(100*time.Since(tk.started)/t.length))
		st.status = "running"
		if st.progress < 10 {
			st.status = "pending"
		}
	}
	return st, true
}

// finish lets the task under way do its work now, and waits for it.
func (t *taskRunner) finish() {
	close(t.stop)
	t.wg.Wait()
}

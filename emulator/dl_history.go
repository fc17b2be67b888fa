package emulator

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// dlRecord is one signed request as the account's history shows it.
type dlRecord struct {
	ID         int64     `json:"id"`
	RequestID  int64     `json:"request_id"`
	CreatedAt  time.Time `json:"created_at"`
	Endpoint   string    `json:"endpoint"`
	URL        string    `json:"url"`
	Status     string    `json:"status"` // "success" or "error"
	HTTPStatus int       `json:"http_status"`
	Error      string    `json:"error,omitempty"`
	Title      string    `json:"title,omitempty"`
	FileCount  int       `json:"file_count"`
	TotalSize  int64     `json:"total_size_bytes"`
	Millis     float64   `json:"response_time_ms"`
	IP         string    `json:"ip"`
}

// loadHistory reads the records of earlier processes. A torn last line is what a crash leaves; it
// is cut off, so that the next record begins a line of its own.
func (d *dlService) loadHistory() error {
	if d.dir == "" {
		return nil
	}
	name := filepath.Join(d.dir, dlHistoryFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read teraboxdl history: %w", err)
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	for line := range bytes.Lines(whole) {
		var rec dlRecord
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("read teraboxdl history: %w", err)
		}
		d.history = append(d.history, rec)
		d.lastID = max(d.lastID, rec.ID)
	}
	if len(whole) < len(data) {
		if err := os.Truncate(name, int64(len(whole))); err != nil {
			return fmt.Errorf("repair teraboxdl history: %w", err)
		}
	}
	return nil
}

// remember adds a record to the history, on disk too, and gives it its number.
func (d *dlService) remember(rec dlRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastID++
	rec.ID = d.lastID
	d.history = append(d.history, rec)
	if d.dir == "" {
		return nil
	}
	line, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode teraboxdl history: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(d.dir, dlHistoryFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write teraboxdl history: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// records returns the history, oldest first; the slice must not be changed.
func (d *dlService) records() []dlRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.history
}

// usedLocked returns how many requests succeeded on now's UTC day. d.mu is held.
func (d *dlService) usedLocked(now time.Time) int {
	today, used := now.UTC().Format(time.DateOnly), 0
	for i := len(d.history) - 1; i >= 0; i-- {
		rec := d.history[i]
		if rec.CreatedAt.UTC().Format(time.DateOnly) != today {
			break
		}
		if rec.Status == "success" {
			used++
		}
	}
	return used
}

// countStatuses returns how many records succeeded and how many did not.
func countStatuses(recs []dlRecord) (ok, failed int) {
	for _, rec := range recs {
		if rec.Status == "success" {
			ok++
		}
	}
	return ok, len(recs) - ok
}

// dlFilter is what request-history and export-urls can be narrowed by.
type dlFilter struct {
	status, search string
	from, to       time.Time // to is exclusive; the zero time is open
}

func parseDLFilter(q url.Values) (dlFilter, *dlError) {
	f := dlFilter{status: q.Get("status"), search: strings.ToLower(q.Get("search"))}
	switch f.status {
	case "", "all", "success", "error":
	case "failed":
		f.status = "error"
	default:
		return f, dlErrorf(http.StatusBadRequest, "Invalid status: want success or error")
	}
	var err *dlError
	f.from, f.to, err = parseDateRange(q)
	return f, err
}

// parseDateRange reads start_date and end_date (YYYY-MM-DD, both included, UTC).
func parseDateRange(q url.Values) (from, to time.Time, _ *dlError) {
	for _, p := range []struct {
		name string
		to   *time.Time
		days int
	}{{"start_date", &from, 0}, {"end_date", &to, 1}} {
		text := q.Get(p.name)
		if text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return from, to, dlErrorf(http.StatusBadRequest, "Invalid %s: want YYYY-MM-DD", p.name)
		}
		*p.to = day.AddDate(0, 0, p.days)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, dlErrorf(http.StatusBadRequest, "start_date is after end_date")
	}
	return from, to, nil
}

func (f dlFilter) accepts(rec dlRecord) bool {
	switch {
	case f.status != "" && f.status != "all" && rec.Status != f.status:
		return false
	case !f.from.IsZero() && rec.CreatedAt.Before(f.from), !f.to.IsZero() && !rec.CreatedAt.Before(f.to):
		return false
	}
	return f.search == "" || strings.Contains(strings.ToLower(rec.URL+"\n"+rec.Title), f.search)
}

// newestFirst returns the accepted records, the latest first.
func (f dlFilter) newestFirst(recs []dlRecord) []dlRecord {
	out := []dlRecord{}
	for i := len(recs) - 1; i >= 0; i-- {
		if f.accepts(recs[i]) {
			out = append(out, recs[i])
		}
	}
	return out
}

func (d *dlService) requestHistory(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := parseDLFilter(q)
	page, perPage := 1, 20
	if err == nil {
		err = firstRefusal(boundedParam(q, "page", &page, 1, 1<<30), boundedParam(q, "per_page", &perPage, 1, 100))
	}
	if err != nil {
		err.write(w)
		return
	}
	all := f.newestFirst(d.records())
	from := min((page-1)*perPage, len(all))
	writeDL(w, map[string]any{
		"errno": 0, "requests": all[from:min(from+perPage, len(all))],
		"page": page, "per_page": perPage, "total": len(all), "total_pages": (len(all) + perPage - 1) / perPage,
	})
}

// boundedParam sets *v from a query parameter that, when present, must be a number in lo..hi.
func boundedParam(q url.Values, name string, v *int, lo, hi int) *dlError {
	text := q.Get(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lo || n > hi {
		return dlErrorf(http.StatusBadRequest, "Invalid %s: want a number from %d to %d", name, lo, hi)
	}
	*v = n
	return nil
}

// firstRefusal returns the first of its arguments that is not nil.
func firstRefusal(errs ...*dlError) *dlError {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// exportURLs streams the history as CSV, oldest first.
func (d *dlService) exportURLs(w http.ResponseWriter, r *http.Request) {
	f, err := parseDLFilter(r.URL.Query())
	if err != nil {
		err.write(w)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="teraboxdl-requests.csv"`)
	cw := csv.NewWriter(w)
	cw.Write([]string{"id", "created_at", "url", "status", "http_status", "title", "file_count", "total_size_bytes", "response_time_ms", "error"})
	for _, rec := range d.records() {
		if !f.accepts(rec) {
			continue
		}
		cw.Write([]string{
			strconv.FormatInt(rec.ID, 10), rec.CreatedAt.UTC().Format(time.RFC3339), rec.URL, rec.Status,
			strconv.Itoa(rec.HTTPStatus), rec.Title, strconv.Itoa(rec.FileCount),
			strconv.FormatInt(rec.TotalSize, 10), strconv.FormatFloat(rec.Millis, 'f', 1, 64), rec.Error,
		})
		if cw.Flush(); cw.Error() != nil {
			return
		}
	}
	cw.Flush()
}

package emulator

import (
	"net/http"
	"time"
)

// dlDay is the usage of one UTC day.
type dlDay struct {
	Date    string  `json:"date"`
	Total   int     `json:"total_requests"`
	OK      int     `json:"successful_requests"`
	Failed  int     `json:"failed_requests"`
	Files   int     `json:"files"`
	Bytes   int64   `json:"total_size_bytes"`
	AvgTime float64 `json:"avg_response_time_ms"`

	millis float64
}

func (day *dlDay) add(rec dlRecord) {
	day.Total++
	if rec.Status == "success" {
		day.OK++
	} else {
		day.Failed++
	}
	day.Files += rec.FileCount
	day.Bytes += rec.TotalSize
	day.millis += rec.Millis
	day.AvgTime = day.millis / float64(day.Total)
}

// analytics answers one entry a day, days without requests included, oldest first.
func (d *dlService) analytics(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	days := 30
	from, to, err := parseDateRange(q)
	if err = firstRefusal(err, boundedParam(q, "days", &days, 1, 366)); err != nil {
		err.write(w)
		return
	}
	if to.IsZero() {
		to = d.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -days)
	}
	if to.Sub(from) > 366*24*time.Hour {
		dlErrorf(http.StatusBadRequest, "Date range is longer than 366 days").write(w)
		return
	}
	list, index := []*dlDay{}, map[string]*dlDay{}
	for at := from; at.Before(to); at = at.AddDate(0, 0, 1) {
		day := &dlDay{Date: at.Format(time.DateOnly)}
		list, index[day.Date] = append(list, day), day
	}
	sum := &dlDay{}
	for _, rec := range d.records() {
		if day := index[rec.CreatedAt.UTC().Format(time.DateOnly)]; day != nil {
			day.add(rec)
			sum.add(rec)
		}
	}
	writeDL(w, map[string]any{
		"errno": 0, "start_date": from.Format(time.DateOnly), "end_date": to.AddDate(0, 0, -1).Format(time.DateOnly),
		"daily": list, "summary": map[string]any{
			"total_requests": sum.Total, "successful_requests": sum.OK, "failed_requests": sum.Failed,
			"files": sum.Files, "total_size_bytes": sum.Bytes, "avg_response_time_ms": sum.AvgTime,
		},
	})
}

// dashboard answers usage, performance and the share of each endpoint.
func (d *dlService) dashboard(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	st, hist, used := d.state, d.history, d.usedLocked(d.now())
	d.mu.Unlock()
	all, endpoints := &dlDay{}, map[string]*dlDay{}
	for _, rec := range hist {
		all.add(rec)
		if endpoints[rec.Endpoint] == nil {
			endpoints[rec.Endpoint] = &dlDay{}
		}
		endpoints[rec.Endpoint].add(rec)
	}
	breakdown := []map[string]any{}
	for name, day := range endpoints {
		breakdown = append(breakdown, map[string]any{
			"endpoint": name, "requests": day.Total, "errors": day.Failed, "avg_response_time_ms": day.AvgTime,
		})
	}
	rate := 100.0
	if all.Total > 0 {
		rate = 100 * float64(all.OK) / float64(all.Total)
	}
	writeDL(w, map[string]any{"errno": 0, "usage": map[string]any{
		"today": used, "daily_limit": st.DailyLimit, "remaining": max(0, st.DailyLimit-used), "total": all.Total,
	}, "performance": map[string]any{
		"success_rate": rate, "avg_response_time_ms": all.AvgTime,
	}, "endpoints": breakdown})
}

// activity answers the latest requests, newest first.
func (d *dlService) activity(w http.ResponseWriter, r *http.Request) {
	limit := 20
	if err := boundedParam(r.URL.Query(), "limit", &limit, 1, 100); err != nil {
		err.write(w)
		return
	}
	recs := dlFilter{}.newestFirst(d.records())
	writeDL(w, map[string]any{
		"errno": 0, "activity": recs[:min(limit, len(recs))], "server_time": d.now().Unix(),
	})
}

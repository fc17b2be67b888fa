package teraboxdl

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Plans asks for the offers of the service. It needs no key.
func (c *Client) Plans(ctx context.Context) (Plans, error) {
	var out Plans
	err := c.report(ctx, "plans", "/api/plans", nil, public, &out, &out.document)
	return out, err
}

// Account asks who the key belongs to, and for the plan's limits.
func (c *Client) Account(ctx context.Context) (Account, error) {
	var out Account
	err := c.report(ctx, "account", "/client/account/info", nil, keyed, &out, &out.document)
	return out, err
}

// Dashboard asks for the account's usage and the service's performance.
func (c *Client) Dashboard(ctx context.Context) (Dashboard, error) {
	var out Dashboard
	err := c.report(ctx, "dashboard", "/client/dashboard", nil, keyed, &out, &out.document)
	return out, err
}

// Dates narrow a report to days of UTC, YYYY-MM-DD, both included; "" is open.
type Dates struct{ From, To string }

func (d Dates) query() url.Values {
	q := url.Values{}
	setText(q, "start_date", d.From)
	setText(q, "end_date", d.To)
	return q
}

// Usage asks for the usage of the last days, or of a range of dates; 0 days leave it to the service.
func (c *Client) Usage(ctx context.Context, days int, dates Dates) (Usage, error) {
	var out Usage
	q := dates.query()
	setNumber(q, "days", days)
	err := c.report(ctx, "usage", "/client/usage/analytics", q, keyed, &out, &out.document)
	return out, err
}

// Filter narrows the history of requests. Zero fields do not.
type Filter struct {
	Dates
	Status string // success or error
	Search string // in links and titles
}

func (f Filter) query() url.Values {
	q := f.Dates.query()
	setText(q, "status", f.Status)
	setText(q, "search", f.Search)
	return q
}

// History asks for one page of the history, counted from 1; zeros leave page and length to the service.
func (c *Client) History(ctx context.Context, f Filter, page, perPage int) (HistoryPage, error) {
	var out HistoryPage
	q := f.query()
	setNumber(q, "page", page)
	setNumber(q, "per_page", perPage)
	err := c.report(ctx, "history", "/client/request-history", q, keyed, &out, &out.document)
	return out, err
}

const (
	historyPage  = 100     // requests asked for at a time
	historyPages = 100_000 // more is a service that does not end
)

// AllHistory asks for page after page. Requests made meanwhile push others to the next page; none is
// yielded twice. It ends after the first error.
func (c *Client) AllHistory(ctx context.Context, f Filter) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		seen := map[Integer]bool{}
		for page := 1; page <= historyPages; page++ {
			got, err := c.History(ctx, f, page, historyPage)
			if err != nil {
				yield(Request{}, err)
				return
			}
			fresh := false
			for _, r := range got.Requests {
				if r.ID != 0 && seen[r.ID] {
					continue
				}
				seen[r.ID], fresh = true, true
				if !yield(r, nil) {
					return
				}
			}
			if !fresh || got.TotalPages > 0 && Integer(page) >= got.TotalPages {
				return
			}
		}
	}
}

// Activity asks for the latest requests; 0 leaves their number to the service.
func (c *Client) Activity(ctx context.Context, limit int) (Activity, error) {
	var out Activity
	q := url.Values{}
	setNumber(q, "limit", limit)
	err := c.report(ctx, "activity", "/client/realtime-activity", q, keyed, &out, &out.document)
	return out, err
}

// report GETs a report into out and keeps it in doc as it came.
func (c *Client) report(ctx context.Context, op, path string, q url.Values, a access, out any, doc *document) error {
	var raw json.RawMessage
	if err := c.call(ctx, request{op: op, method: http.MethodGet, path: path, query: q, access: a}, &raw); err != nil {
		return err
	}
	raw = c.withoutSecrets(raw)
	if err := json.Unmarshal(raw, out); err != nil {
		return undocumented(op)
	}
	doc.keep(raw)
	return nil
}

func setText(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setNumber(q url.Values, name string, value int) {
	if value != 0 {
		q.Set(name, strconv.Itoa(value))
	}
}

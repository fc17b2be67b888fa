package teraboxdl

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Integer is a whole number of the service's, which may arrive as a string. What is no whole number
// is 0: one odd figure does not spoil a report.
type Integer int64

// UnmarshalJSON never fails.
func (v *Integer) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		n = 0
	}
	*v = Integer(n)
	return nil
}

// Decimal is a number of the service's with a fraction, which may arrive as a string; what is none is 0.
type Decimal float64

// UnmarshalJSON never fails.
func (v *Decimal) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil {
		n = 0
	}
	*v = Decimal(n)
	return nil
}

// document is a report as the service sent it. The service describes the contents of its reports but
// not their shape, so that a report is encoded as it came, less the key and the secret: what our
// types do not know is not lost.
type document struct{ raw json.RawMessage }

func (d *document) keep(raw []byte) { d.raw = raw }

// MarshalJSON is the service's own answer.
func (d document) MarshalJSON() ([]byte, error) {
	if d.raw == nil {
		return []byte("null"), nil
	}
	return d.raw, nil
}

// Plan is one offer of the service.
type Plan struct {
	ID            Integer `json:"id"`
	Name          string  `json:"name"`
	Price         Decimal `json:"price"`
	Currency      string  `json:"currency"`
	DailyRequests Integer `json:"daily_requests"`
	ValidityDays  Integer `json:"validity_days"`
	Description   string  `json:"description"`
}

// Plans are the offers that can be had now.
type Plans struct {
	document
	Plans []Plan `json:"plans"`
}

// Account is the account that a key belongs to.
type Account struct {
	document
	Account struct {
		Name      string `json:"name"`
		Email     string `json:"email"`
		Active    *bool  `json:"is_active"` // nil when the service does not say
		ExpiresAt string `json:"expires_at"`
	} `json:"account"`
	Plan struct {
		Name          string  `json:"name"`
		DailyLimit    Integer `json:"daily_limit"`
		RatePerMinute Integer `json:"rate_limit_per_minute"`
	} `json:"plan"`
	Usage struct {
		Today          Integer `json:"today"`
		RemainingToday Integer `json:"remaining_today"`
		Total          Integer `json:"total_requests"`
		Successful     Integer `json:"successful_requests"`
		Failed         Integer `json:"failed_requests"`
	} `json:"usage"`
}

// Dashboard is an account's usage and how well the service served it.
type Dashboard struct {
	document
	Usage struct {
		Today      Integer `json:"today"`
		DailyLimit Integer `json:"daily_limit"`
		Remaining  Integer `json:"remaining"`
		Total      Integer `json:"total"`
	} `json:"usage"`
	Performance struct {
		SuccessRate Decimal `json:"success_rate"` // percent
		AvgMillis   Decimal `json:"avg_response_time_ms"`
	} `json:"performance"`
	Endpoints []struct {
		Endpoint  string  `json:"endpoint"`
		Requests  Integer `json:"requests"`
		Errors    Integer `json:"errors"`
		AvgMillis Decimal `json:"avg_response_time_ms"`
	} `json:"endpoints"`
}

// Figures are what was used in some time.
type Figures struct {
	Total      Integer `json:"total_requests"`
	Successful Integer `json:"successful_requests"`
	Failed     Integer `json:"failed_requests"`
	Files      Integer `json:"files"`
	Bytes      Integer `json:"total_size_bytes"`
	AvgMillis  Decimal `json:"avg_response_time_ms"`
}

// Day is the usage of one UTC day.
type Day struct {
	Date string `json:"date"` // YYYY-MM-DD
	Figures
}

// Usage is the usage of a range of days, the oldest first.
type Usage struct {
	document
	From    string  `json:"start_date"`
	To      string  `json:"end_date"` // included
	Daily   []Day   `json:"daily"`
	Summary Figures `json:"summary"`
}

// Request is one request in an account's history.
type Request struct {
	ID         Integer `json:"id"`
	CreatedAt  string  `json:"created_at"`
	Endpoint   string  `json:"endpoint"`
	URL        string  `json:"url"`
	Status     string  `json:"status"`
	HTTPStatus Integer `json:"http_status"`
	Error      string  `json:"error,omitempty"`
	Title      string  `json:"title,omitempty"`
	Files      Integer `json:"file_count"`
	Bytes      Integer `json:"total_size_bytes"`
	Millis     Decimal `json:"response_time_ms"`
	IP         string  `json:"ip"`
}

// HistoryPage is a page of an account's history, the newest request first.
type HistoryPage struct {
	document
	Requests   []Request `json:"requests"`
	Page       Integer   `json:"page"`
	PerPage    Integer   `json:"per_page"`
	Total      Integer   `json:"total"`
	TotalPages Integer   `json:"total_pages"`
}

// Activity is an account's latest requests, the newest first.
type Activity struct {
	document
	Activity []Request `json:"activity"`
}

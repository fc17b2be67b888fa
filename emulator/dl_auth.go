package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"time"
)

// dlClockSkew is how far X-Timestamp may be from the server's clock, either way.
const dlClockSkew = 300 * time.Second

// checkSignature returns nil when the request carries the account's key, a timestamp close to now
// and the HMAC of METHOD + PATH + TIMESTAMP + body, over the bytes as they came.
func (d *dlService) checkSignature(r *http.Request, body []byte) *dlError {
	key, stamp, sig := r.Header.Get("X-API-Key"), r.Header.Get("X-Timestamp"), r.Header.Get("X-Signature")
	for _, h := range []struct{ name, value string }{{"X-API-Key", key}, {"X-Timestamp", stamp}, {"X-Signature", sig}} {
		if h.value == "" {
			return dlErrorf(http.StatusUnauthorized, "Missing %s header", h.name)
		}
	}
	if err := d.checkKey(r); err != nil {
		return err
	}
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return dlErrorf(http.StatusUnauthorized, "Invalid timestamp")
	}
	if age := d.now().Sub(time.Unix(sec, 0)); age > dlClockSkew || age < -dlClockSkew {
		return dlErrorf(http.StatusUnauthorized, "Timestamp expired or too far from server time")
	}
	got, err := hex.DecodeString(sig)
	if err != nil || !hmac.Equal(got, dlSignature(d.secret(), r.Method, r.URL.Path, stamp, body)) {
		return dlErrorf(http.StatusUnauthorized, "Invalid signature")
	}
	return nil
}

// dlSignature returns HMAC-SHA256(secret, method + path + timestamp + body).
func dlSignature(secret, method, path, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + path + timestamp))
	mac.Write(body)
	return mac.Sum(nil)
}

// checkKey returns nil when X-API-Key is the key of an active account.
func (d *dlService) checkKey(r *http.Request) *dlError {
	key := r.Header.Get("X-API-Key")
	if key == "" {
		return dlErrorf(http.StatusUnauthorized, "Missing X-API-Key header")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if subtle.ConstantTimeCompare([]byte(key), []byte(d.state.APIKey)) != 1 {
		return dlErrorf(http.StatusUnauthorized, "Invalid API key")
	}
	if d.state.Inactive {
		return dlErrorf(http.StatusUnauthorized, "API key is inactive")
	}
	return nil
}

// client guards an account endpoint: X-API-Key alone, no signature.
func (d *dlService) client(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := d.checkKey(r); err != nil {
			err.write(w)
			return
		}
		h(w, r)
	}
}

// takeRate counts one signed call against the account's requests per minute.
func (d *dlService) takeRate() *dlError {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	keep := 0
	for keep < len(d.recent) && now.Sub(d.recent[keep]) >= time.Minute {
		keep++
	}
	d.recent = d.recent[keep:]
	if len(d.recent) >= d.state.RatePerMinute {
		err := dlErrorf(http.StatusTooManyRequests, "Request rate exceeded: %d per minute", d.state.RatePerMinute)
		if len(d.recent) > 0 {
			err.retryAfter = time.Minute - now.Sub(d.recent[0])
		}
		return err
	}
	d.recent = append(d.recent, now)
	return nil
}

// checkDaily returns nil while today's successful requests are within the plan's allowance.
func (d *dlService) checkDaily() *dlError {
	d.mu.Lock()
	defer d.mu.Unlock()
	if used := d.usedLocked(d.now()); used < d.state.DailyLimit {
		return nil
	}
	err := dlErrorf(http.StatusTooManyRequests, "Daily request allowance of %d used up", d.state.DailyLimit)
	err.retryAfter = untilMidnight(d.now())
	return err
}

// takeTest counts one free call of the request's address.
func (d *dlService) takeTest(r *http.Request) *dlError {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if today := d.now().UTC().Format(time.DateOnly); d.state.TestDay != today {
		d.state.TestDay, d.state.TestCalls = today, map[string]int{}
	}
	if d.state.TestCalls[ip] >= dlTestPerDay {
		e := dlErrorf(http.StatusTooManyRequests, "Test limit reached: %d requests per day per IP", dlTestPerDay)
		e.retryAfter = untilMidnight(d.now())
		return e
	}
	d.state.TestCalls[ip]++
	if err := d.saveStateLocked(); err != nil {
		return dlErrorf(http.StatusInternalServerError, "%v", err)
	}
	return nil
}

// untilMidnight returns the time left of the UTC day.
func untilMidnight(now time.Time) time.Duration {
	now = now.UTC()
	return now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
}

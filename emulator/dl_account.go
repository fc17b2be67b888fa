package emulator

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// loadState reads the account from disk, or makes a new one. key and secret are the operator's;
// they win over the stored pair only when they are not the ones the account was made with.
func (d *dlService) loadState(key, secret string) error {
	d.state = dlState{
		CreatedAt: d.now().UTC().Truncate(time.Second), DailyLimit: dlDailyLimit, RatePerMinute: dlRatePerMinute,
		LinkSecret: []byte(randomHex(16)),
	}
	if d.dir != "" {
		data, err := os.ReadFile(filepath.Join(d.dir, dlStateFile))
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return fmt.Errorf("read teraboxdl account: %w", err)
		}
		if err == nil {
			if err := json.Unmarshal(data, &d.state); err != nil {
				return fmt.Errorf("read teraboxdl account %q: %w", dlStateFile, err)
			}
		}
	}
	if d.state.ConfiguredKey != key {
		d.state.ConfiguredKey, d.state.APIKey, d.state.APISecret = key, key, secret
	}
	return d.saveStateLocked()
}

// saveStateLocked writes the account so that a crash leaves the old or the new one. d.mu is held,
// or d is not shared yet.
func (d *dlService) saveStateLocked() error {
	if d.dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return fmt.Errorf("encode teraboxdl account: %w", err)
	}
	return writeFileAtomic(filepath.Join(d.dir, dlStateFile), data)
}

// secret returns the secret that signs requests now.
func (d *dlService) secret() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.APISecret
}

// regenerate replaces key and secret; the old pair is dead when the answer leaves.
func (d *dlService) regenerate(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	old := d.state
	d.state.APIKey, d.state.APISecret = "tdl_"+randomHex(16), randomHex(32)
	fresh, err := d.state, d.saveStateLocked()
	if err != nil {
		d.state = old // never hand out a key that a restart would forget
	}
	d.mu.Unlock()
	if err != nil {
		dlErrorf(http.StatusInternalServerError, "%v", err).write(w)
		return
	}
	writeDL(w, map[string]any{
		"errno": 0, "message": "API key regenerated", "api_key": fresh.APIKey, "api_secret": fresh.APISecret,
	})
}

// accountInfo answers the profile, the plan's limits and the totals.
func (d *dlService) accountInfo(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	st, hist, used := d.state, d.history, d.usedLocked(d.now())
	d.mu.Unlock()
	ok, failed := countStatuses(hist)
	writeDL(w, map[string]any{"errno": 0, "account": map[string]any{
		"name": "Demo User", "email": "demo@example.com", "is_active": !st.Inactive,
		"api_key_preview": preview(st.APIKey), "created_at": st.CreatedAt.Format(time.RFC3339),
		"expires_at": st.CreatedAt.AddDate(1, 0, 0).Format(time.RFC3339),
	}, "plan": map[string]any{
		"name": "Standard", "daily_limit": st.DailyLimit, "rate_limit_per_minute": st.RatePerMinute, "validity_days": 30,
	}, "usage": map[string]any{
		"today": used, "remaining_today": max(0, st.DailyLimit-used),
		"total_requests": len(hist), "successful_requests": ok, "failed_requests": failed,
	}})
}

// preview returns the first characters of a key, enough to tell two apart.
func preview(key string) string { return key[:min(6, len(key))] + "..." }

// randomHex returns 2n hex digits from the system's random source.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

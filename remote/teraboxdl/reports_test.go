package teraboxdl_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

func TestReportsOfTheEmulator(t *testing.T) {
	_, c := start(t, emulator.Config{})
	ctx := t.Context()
	for range 3 {
		_, err := c.Resolve(ctx, demo)
		require.NoError(t, err)
	}
	_, err := c.Resolve(ctx, "https://terabox.com/s/1nosuchshare")
	require.ErrorIs(t, err, remote.ErrNotExist)

	plans, err := c.Plans(ctx)
	require.NoError(t, err)
	require.Len(t, plans.Plans, 3)
	assert.Equal(t, "Starter", plans.Plans[0].Name)
	assert.InDelta(t, 4.99, float64(plans.Plans[0].Price), 1e-9)

	account, err := c.Account(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 1000, account.Plan.DailyLimit)
	assert.EqualValues(t, 997, account.Usage.RemainingToday)
	assert.EqualValues(t, 3, account.Usage.Successful)
	assert.Equal(t, "demo@example.com", account.Account.Email)

	dash, err := c.Dashboard(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 3, dash.Usage.Today)
	require.Len(t, dash.Endpoints, 1)
	assert.Equal(t, account.Usage.Total, dash.Endpoints[0].Requests)

	usage, err := c.Usage(ctx, 7, teraboxdl.Dates{})
	require.NoError(t, err)
	require.Len(t, usage.Daily, 7)
	assert.EqualValues(t, 3, usage.Daily[6].Successful)
	assert.EqualValues(t, 3, usage.Summary.Successful)
	usage, err = c.Usage(ctx, 0, teraboxdl.Dates{From: "2026-01-01", To: "2026-01-03"})
	require.NoError(t, err)
	assert.Len(t, usage.Daily, 3)
	assert.Zero(t, usage.Summary.Total)

	page, err := c.History(ctx, teraboxdl.Filter{Status: "success"}, 2, 2)
	require.NoError(t, err)
	assert.EqualValues(t, 3, page.Total)
	assert.Len(t, page.Requests, 1)

	activity, err := c.Activity(ctx, 2)
	require.NoError(t, err)
	require.Len(t, activity.Activity, 2)
	assert.Equal(t, "error", activity.Activity[0].Status, "the newest first")

	var out bytes.Buffer
	n, err := c.Export(ctx, teraboxdl.Filter{Status: "success"}, &out)
	require.NoError(t, err)
	assert.EqualValues(t, out.Len(), n)
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 4, "a header and three requests")

	_, err = c.History(ctx, teraboxdl.Filter{Dates: teraboxdl.Dates{From: "yesterday"}}, 0, 0)
	require.ErrorIs(t, err, remote.ErrInvalid)
	_, err = c.Export(ctx, teraboxdl.Filter{Status: "odd"}, &out)
	require.ErrorIs(t, err, remote.ErrInvalid)
}

func TestNumbersMayBeStrings(t *testing.T) {
	run, c := start(t, emulator.Config{})
	ctx := t.Context()
	plain, err := c.Resolve(ctx, demo)
	require.NoError(t, err)
	faults := []emulator.Fault{
		{Endpoint: "dl-api", Action: "string-numbers"}, {Endpoint: "dl-account", Action: "string-numbers"}, {Endpoint: "dl-plans", Action: "string-numbers"},
		{Endpoint: "dl-usage", Action: "string-numbers"}, {Endpoint: "dl-history", Action: "string-numbers"},
	}
	require.NoError(t, run.Server.SetFaults(faults))
	quoted, err := c.Resolve(ctx, demo)
	require.NoError(t, err)
	require.Len(t, quoted.Files, len(plain.Files))
	for i, f := range quoted.Files {
		assert.Equal(t, plain.Files[i].FsID, f.FsID)
		assert.Equal(t, plain.Files[i].Size, f.Size)
	}
	account, err := c.Account(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 998, account.Usage.RemainingToday)
	plans, err := c.Plans(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 100, plans.Plans[0].DailyRequests)
	usage, err := c.Usage(ctx, 1, teraboxdl.Dates{})
	require.NoError(t, err)
	assert.EqualValues(t, 2, usage.Summary.Total)
	page, err := c.History(ctx, teraboxdl.Filter{}, 1, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 2, page.TotalPages)
	for _, f := range run.Server.Faults() {
		assert.NotZero(t, f.Fired, "%s", f.Endpoint)
	}
}

func TestAReportIsEncodedAsItCameLessTheKey(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"errno":"0","plan":{"daily_limit":"1000"},"usage":{"today":null},"odd":{"key":%q}}`, r.Header.Get("X-API-Key"))
	}))
	defer s.Close()
	c, err := teraboxdl.New(teraboxdl.Config{BaseURL: s.URL, Key: "KEY-VALUE", Secret: "SECRET-VALUE"})
	require.NoError(t, err)
	defer c.Close()
	account, err := c.Account(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1000, account.Plan.DailyLimit, "a number as a string")
	text, err := json.Marshal(account)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"odd"`)
	assert.NotContains(t, string(text), "KEY-VALUE")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", c, account, account), "KEY-VALUE")
}

func TestFreeTestNeedsNoKeyAndHasThreeADay(t *testing.T) {
	run, _ := start(t, emulator.Config{})
	c, err := teraboxdl.New(teraboxdl.Config{BaseURL: run.URL})
	require.NoError(t, err)
	defer c.Close()
	for range 3 {
		share, err := c.Test(t.Context(), demo)
		require.NoError(t, err)
		require.NotEmpty(t, share.Files)
		assert.NotEmpty(t, share.Files[0].DirectLink)
	}
	_, err = c.Test(t.Context(), demo)
	require.ErrorIs(t, err, remote.ErrAllowance)
	_, err = c.Resolve(t.Context(), demo)
	require.ErrorIs(t, err, remote.ErrLogin, "a signed request needs a key")
	_, err = c.Account(t.Context())
	require.ErrorIs(t, err, remote.ErrLogin)
	assert.Zero(t, run.Server.Calls()["dl-api"], "nothing was sent for want of a key")
}

func TestVideosHaveStreamsAndThumbnails(t *testing.T) {
	_, c := start(t, emulator.Config{})
	share, err := c.Resolve(t.Context(), demo)
	require.NoError(t, err)
	streams, thumbs := 0, 0
	for _, f := range share.Files {
		if f.StreamURL != "" && f.StreamDownloadURL != "" {
			streams++
		}
		thumbs += len(f.Thumbs)
		data, err := c.Thumbnail(t.Context(), f, remote.ThumbMedium)
		if len(f.Thumbs) == 0 {
			require.ErrorIs(t, err, remote.ErrNotExist)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, "\x89PNG", string(data[:4]))
	}
	assert.NotZero(t, streams)
	assert.NotZero(t, thumbs)
	text, err := json.Marshal(share)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "sign=", "links are secrets")
}

func TestRegenerateKeepsTheNewPairFirst(t *testing.T) {
	run, c := start(t, emulator.Config{})
	other, err := teraboxdl.New(teraboxdl.Config{BaseURL: run.URL, Key: "demo-key", Secret: "demo-secret"})
	require.NoError(t, err)
	defer other.Close()
	kept := atomic.Pointer[[2]teraboxdl.Secret]{}
	following, err := teraboxdl.New(teraboxdl.Config{BaseURL: run.URL, Key: "demo-key", Secret: "demo-secret",
		Reload: func(teraboxdl.Secret) (teraboxdl.Secret, teraboxdl.Secret, error) {
			p := kept.Load()
			return p[0], p[1], nil
		}})
	require.NoError(t, err)
	defer following.Close()

	full := errors.New("the disk is full")
	err = c.Regenerate(t.Context(), func(key, secret teraboxdl.Secret) error {
		kept.Store(&[2]teraboxdl.Secret{key, secret})
		return full
	})
	require.ErrorIs(t, err, full)
	_, err = c.Resolve(t.Context(), demo)
	require.NoError(t, err, "the client goes on with the new pair")
	_, err = other.Resolve(t.Context(), demo)
	require.ErrorIs(t, err, remote.ErrLogin, "the old pair is dead")
	_, err = following.Resolve(t.Context(), demo)
	require.NoError(t, err, "a client that looks again finds the new pair")
	var out bytes.Buffer
	_, err = following.Export(t.Context(), teraboxdl.Filter{}, &out)
	require.NoError(t, err)
	assert.NotEqual(t, teraboxdl.Secret("demo-key"), kept.Load()[0])
}

func TestAllHistoryYieldsEachRequestOnce(t *testing.T) {
	const total = 250
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		size, _ := strconv.Atoi(q.Get("per_page"))
		shift := calls // a request is made between two pages
		calls++
		var rows []string
		for i := (page - 1) * size; i < min(page*size, total+shift); i++ {
			rows = append(rows, fmt.Sprintf(`{"id":"%d"}`, total+shift-i))
		}
		fmt.Fprintf(w, `{"errno":0,"requests":[%s]}`, strings.Join(rows, ","))
	}))
	defer s.Close()
	c, err := teraboxdl.New(teraboxdl.Config{BaseURL: s.URL, Key: "key-1234", Secret: "secret-1"})
	require.NoError(t, err)
	defer c.Close()
	seen := map[teraboxdl.Integer]int{}
	for r, err := range c.AllHistory(t.Context(), teraboxdl.Filter{}) {
		require.NoError(t, err)
		seen[r.ID]++
	}
	assert.Len(t, seen, total)
	for id, n := range seen {
		assert.Equal(t, 1, n, "request %d", id)
	}
}

func TestRefusalsOfReportsAreTyped(t *testing.T) {
	var status atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, `{"error":"said by the service"}`)
	}))
	defer s.Close()
	c, err := teraboxdl.New(teraboxdl.Config{BaseURL: s.URL, Key: "k-1", Secret: "s-1", Backoff: remote.Backoff{First: time.Millisecond, Max: time.Millisecond}})
	require.NoError(t, err)
	defer c.Close()
	for code, kind := range map[int]error{400: remote.ErrInvalid, 401: remote.ErrLogin, 429: remote.ErrAllowance, 500: remote.ErrServer, 302: remote.ErrProtocol} {
		status.Store(int32(code))
		_, err := c.Dashboard(t.Context())
		require.ErrorIs(t, err, kind)
		assert.Contains(t, err.Error(), "said by the service")
		_, err = c.Export(t.Context(), teraboxdl.Filter{}, &bytes.Buffer{})
		require.ErrorIs(t, err, kind)
		require.ErrorIs(t, c.Regenerate(t.Context(), nil), kind)
	}
}

func TestExportDoesNotPassOffABrokenStream(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>sign in</html>")
		},
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "id\n1\n")
		},
		"stalled": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			fmt.Fprint(w, "id\n1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	}
	for name, h := range cases {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			c, err := teraboxdl.New(teraboxdl.Config{BaseURL: s.URL, Key: "key-1234", Secret: "secret-1", ReadTimeout: 100 * time.Millisecond})
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Export(t.Context(), teraboxdl.Filter{}, &bytes.Buffer{})
			require.Error(t, err)
		})
	}
}

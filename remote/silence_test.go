package remote

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// silent answers nothing until the caller has gone.
func silent(_ http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // a body that is not read hides that the caller leaves
	<-r.Context().Done()
}

// TestReadGetsOverASilentLink: asking for a link leaves time to ask again, and to read.
func TestReadGetsOverASilentLink(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000, func(cfg *Config) {
		cfg.ReadTimeout, cfg.Backoff.Elapsed = 3*time.Second, 3*time.Second
	})
	d.c.Forget(d.e)
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{
		{Endpoint: "filemetas", Action: "delay", Delay: emulator.Duration(time.Hour), Count: 1},
	}))
	got, err := d.read(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, got, 1000)
	require.Equal(t, 1, d.run.Server.Faults()[0].Fired)
}

// TestSilentWriteHasItsTime: a write whose answer is late is not taken for lost before the timeout.
func TestSilentWriteHasItsTime(t *testing.T) {
	s := newScript(t)
	late := func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(400 * time.Millisecond) // longer than a read would be waited for
		text(`{"errno":0,"path":"/dir","fs_id":1,"isdir":1,"size":0}`)(w, nil)
	}
	s.on("/api/create", late)
	s.on("/rest/2.0/xpan/file", late)
	s.on("/api/list", text(`{"errno":0,"list":[]}`))
	s.on("/api/filemetas", text(`{"errno":12,"info":[{"errno":-9,"path":"/dir"}]}`))
	_, err := s.client(t, func(cfg *Config) { cfg.ReadTimeout = 900 * time.Millisecond }).Mkdir(t.Context(), "/dir")
	require.NoError(t, err)
}

// TestSilenceIsNamed: the error says how long nothing came.
func TestSilenceIsNamed(t *testing.T) {
	s := newScript(t)
	s.on("/api/quota", silent)
	_, err := s.client(t, func(cfg *Config) { cfg.ReadTimeout = 90 * time.Millisecond }).Quota(t.Context())
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorContains(t, err, "no answer within 30ms")
}

package teraboxdl

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The expected values are openssl's, over POST/v1/api, the time and the body without anything between them:
//
//	printf %s 'POST/v1/api1744212345{"url":"https://terabox.com/s/your-link"}' | openssl dgst -sha256 -hmac your_api_secret
func TestSignatureAgainstOpenSSL(t *testing.T) {
	for _, v := range []struct{ secret, stamp, body, want string }{
		{"your_api_secret", "1744212345", `{"url":"https://terabox.com/s/your-link"}`, "882b0c0289c2f411e275a315886ecb43100e647241a05a04b3b0ac74b3b8258a"},
		{"secret-abcdefgh", "1700000000", `{"url":"https://terabox.com/s/1abc?pwd=x1"}`, "f817e7174934244368956f461e5124517febe13c30f07618373e875f56079b8e"},
		{"k", "0", "", "f87ca79c9540105caacd39e9857e545c54dceb73a871320ba71e403669b8b1a4"},
		{"sécret", "1744212345", `{"url":"https://terabox.com/s/1ü"}`, "19d54b82cd01807ba3f49de2807b1c320fa5a04f70866300cfdbdb22514ca680"},
	} {
		assert.Equal(t, v.want, signature(Secret(v.secret), "POST", "/v1/api", v.stamp, []byte(v.body)))
	}
}

// TestRequestOnTheWireAgainstOpenSSL looks at a whole request with nothing of the client's: its body, its time and the signature
// over both, which is the second of those above.
func TestRequestOnTheWireAgainstOpenSSL(t *testing.T) {
	s := newService(t)
	var head http.Header
	var body []byte
	s.api = func(_ int, w http.ResponseWriter, r *http.Request) {
		head, body = r.Header, must(io.ReadAll(r.Body))
		s.share(w, "a", 1)
	}
	c := s.client(t, func(cfg *Config) {
		cfg.Secret, cfg.Now = "secret-abcdefgh", func() time.Time { return time.Unix(1_700_000_000, 999) }
	})
	_, err := c.Resolve(t.Context(), "https://www.1024tera.com/sharing/link?surl=abc&pwd=x1")
	require.NoError(t, err)
	assert.Equal(t, `{"url":"https://terabox.com/s/1abc?pwd=x1"}`, string(body))
	assert.Equal(t, "1700000000", head.Get("X-Timestamp"))
	assert.Equal(t, "f817e7174934244368956f461e5124517febe13c30f07618373e875f56079b8e", head.Get("X-Signature"))
	assert.Equal(t, "application/json", head.Get("Content-Type"))
	assert.Equal(t, testKey, head.Get("X-API-Key"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

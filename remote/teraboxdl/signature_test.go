package teraboxdl

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The expected values are openssl's: printf %s MESSAGE | openssl dgst -sha256 -hmac SECRET.
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

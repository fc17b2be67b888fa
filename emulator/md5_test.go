package emulator

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestScrambleVectors(t *testing.T) {
	for plain, want := range map[string]string{
		"167cc21acbeefb8c5e5b615cad997b2b": "cacdbeeb9vd70ff5acba3e4cd7f0acb3",
		"5eb63bbbe01eeed093cb22bb8f5acdc3": "e13dabb7dn1df6548e7988a41a60ef54",
		"d41d8cd98f00b204e9800998ecf8427e": "8e23f7635tb64136eddb0719602bc477",
		"not a sum":                        "not a sum",
		"zz1d8cd98f00b204e9800998ecf8427e": "zz1d8cd98f00b204e9800998ecf8427e",
	} {
		assert.Equal(t, want, scramble(plain), plain)
	}
}

func TestEtagOfSeveralPartsIsTheMD5OfTheCompactList(t *testing.T) {
	list := []string{"4a31ac3594cb245c08e134ec06b3057e", "87c7d4068be07d390a1fffd21bf1e944"}
	assert.Equal(t, "dc58a14b8de68a85584f8cd9ec794250", etag(list))
	assert.Equal(t, list[0], etag(list[:1]))
}

func TestDownloadSignVector(t *testing.T) {
	sign, err := downloadSign("payloadtosign123", "k1secretkey")
	assert.NoError(t, err)
	assert.Equal(t, "oL1WBFlrJxvuoH1tUqtpDQ==", sign)
}

func TestPartLengthFollowsTheTable(t *testing.T) {
	const gib, mib = 1 << 30, 1 << 20
	for size, want := range map[int64]int64{
		0: 4 * mib, 1: 4 * mib, 4 * gib: 4 * mib, 4*gib + 1: 8 * mib, 8 * gib: 8 * mib, 16 * gib: 16 * mib, 20 * gib: 32 * mib,
		64 * gib: 64 * mib, 128 * gib: 128 * mib,
	} {
		assert.Equal(t, want, partLength(size), "size %d", size)
	}
}

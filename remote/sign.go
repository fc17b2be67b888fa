package remote

import "encoding/base64"

// downloadSign is the sign parameter of /api/download: base64 of RC4 with key sign3 over sign1,
// both as home/info gives them (docs/protocol.md#sign). It hides nothing; the service only
// compares it.
func downloadSign(sign3, sign1 string) string {
	return base64.StdEncoding.EncodeToString(rc4([]byte(sign3), []byte(sign1)))
}

// rc4 is the textbook cipher. crypto/rc4 is deprecated as a cipher, which this is not used as.
// key must not be empty.
func rc4(key, data []byte) []byte {
	var s [256]byte
	for i := range s {
		s[i] = byte(i)
	}
	var j byte
	for i := range s {
		j += s[i] + key[i%len(key)]
		s[i], s[j] = s[j], s[i]
	}
	out := make([]byte, len(data))
	var a, b byte
	for k, v := range data {
		a++
		b += s[a]
		s[a], s[b] = s[b], s[a]
		out[k] = v ^ s[s[a]+s[b]]
	}
	return out
}

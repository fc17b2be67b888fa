package remote

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// EmptyMD5 is the digest of no bytes, the one part of a file of size 0.
const EmptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"

// FileMD5 is the md5 the service shows for a file uploaded in parts with the given digests (32
// lower-case hex digits each): that of the content for one part, and for more the MD5 of their
// list as compact JSON (docs/protocol.md#md5). It says the same for two contents only if they
// were cut into equal parts.
func FileMD5(blockList []string) string {
	switch len(blockList) {
	case 0:
		return EmptyMD5
	case 1:
		return blockList[0]
	}
	text, err := json.Marshal(blockList)
	if err != nil {
		panic("remote: a list of strings cannot be encoded: " + err.Error())
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// decodeMD5 is the plain form of a digest the service wrote plain or scrambled, and "" for
// anything else. A scrambled one is told by its tenth character, a letter from g to v
// (docs/protocol.md#md5).
func decodeMD5(s string) string {
	if len(s) != 32 {
		return ""
	}
	s = strings.ToLower(s)
	if isHex(s) {
		return s
	}
	letter := s[9]
	if letter < 'g' || letter > 'v' {
		return ""
	}
	const digits = "0123456789abcdef"
	mixed := []byte(s)
	mixed[9] = digits[letter-'g']
	for i, ch := range mixed {
		n := strings.IndexByte(digits, ch)
		if n < 0 {
			return ""
		}
		mixed[i] = digits[n^i&15]
	}
	return string(mixed[8:16]) + string(mixed[0:8]) + string(mixed[24:32]) + string(mixed[16:24])
}

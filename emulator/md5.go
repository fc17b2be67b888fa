package emulator

import (
	"net/http"
	"strings"
)

// scramble turns a plain md5 into the service's other form, in which create and search answer it (docs/protocol.md#md5): the groups
// of eight digits are swapped in pairs, each digit is xored with its index, and the digit at index 9 becomes a letter from g to v.
// What is not 32 hex digits comes back as it is.
func scramble(plain string) string {
	if len(plain) != 32 {
		return plain
	}
	const digits = "0123456789abcdef"
	swapped := plain[8:16] + plain[0:8] + plain[24:32] + plain[16:24]
	out := make([]byte, len(swapped))
	for i := range len(swapped) {
		value := strings.IndexByte(digits, swapped[i])
		if value < 0 {
			return plain
		}
		value ^= i & 15
		out[i] = digits[value]
		if i == 9 {
			out[i] = 'g' + byte(value)
		}
	}
	return string(out)
}

// md5Form returns how an answer shows md5s: scrambled or plain, unless a fault says otherwise.
func (s *Server) md5Form(r *http.Request, scrambled bool) func(string) string {
	switch {
	case s.faulted(r, "scrambled-md5"):
		scrambled = true
	case s.faulted(r, "plain-md5"):
		scrambled = false
	}
	if scrambled {
		return scramble
	}
	return func(sum string) string { return sum }
}

// isMD5 tells whether text is 32 lower hex digits.
func isMD5(text string) bool {
	if len(text) != 32 {
		return false
	}
	return strings.Trim(text, "0123456789abcdef") == ""
}

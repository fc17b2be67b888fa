package teraboxdl

import (
	"strconv"
	"strings"
)

// number is a whole number that may arrive as a string. Anything else leaves it unset, so that
// one odd file does not spoil a share.
type number struct {
	n   uint64
	neg bool
	set bool
}

// UnmarshalJSON never fails.
func (v *number) UnmarshalJSON(b []byte) error {
	*v = number{}
	s := strings.Trim(string(b), `"`)
	digits, neg := strings.CutPrefix(s, "-")
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		*v = number{n: n, neg: neg && n != 0, set: true}
	}
	return nil
}

// size is the number as a length in bytes.
func (v number) size() (int64, bool) {
	const most = 1<<63 - 1
	return int64(v.n & most), v.set && !v.neg && v.n <= most
}

// id is the number as an identity, 0 when it is none.
func (v number) id() uint64 {
	if v.neg {
		return 0
	}
	return v.n
}

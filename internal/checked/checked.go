// Package checked is the shape of our small files: a line with a magic and a checksum, then JSON. A file that was cut off,
// flipped a bit, or was written by another version is told from one that is whole. It has no state.
package checked

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrDamaged is wrapped by every error of Decode.
var ErrDamaged = errors.New("damaged, or written by another version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode is v as JSON below a line with the magic, which carries the version of the format, and the CRC-32C of what
// follows the line.
func Encode(magic string, v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append(fmt.Appendf(nil, "%s %08x\n", magic, crc32.Checksum(body, castagnoli)), body...), nil
}

// Decode is the reverse of Encode.
func Decode(magic string, data []byte, v any) error {
	head, body, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(head) != fmt.Sprintf("%s %08x", magic, crc32.Checksum(body, castagnoli)) {
		return ErrDamaged
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

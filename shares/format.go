package shares

import "github.com/teraboxfs/teraboxfs/internal/checked"

// magic begins every file of this room; the digit is the version.
const magic = "TBFSSH1"

// ErrDamaged is wrapped by what reading a file returns that is not one of ours as it was written.
// The file stays where it is.
var ErrDamaged = checked.ErrDamaged

func encode(v any) ([]byte, error)    { return checked.Encode(magic, v) }
func decode(data []byte, v any) error { return checked.Decode(magic, data, v) }

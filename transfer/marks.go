package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// marks keeps how far the upload of one file has come, for the next command. It is a hint: without it the upload begins anew.
type marks struct{ name string }

// marks returns those of the file that goes to a path of the drive.
func (e *Engine) marks(to string) marks {
	if e.ResumeDir == "" {
		return marks{}
	}
	sum := sha256.Sum256([]byte(to))
	return marks{filepath.Join(e.ResumeDir, hex.EncodeToString(sum[:16])+".upload")}
}

func (m marks) load() []byte {
	if m.name == "" {
		return nil
	}
	data, _ := os.ReadFile(m.name) // a hint
	return data
}

// save replaces what is kept; nil removes it.
func (m marks) save(progress []byte) {
	switch {
	case m.name == "":
	case progress == nil:
		_ = os.Remove(m.name) // there may be none
	default:
		_ = renameio.WriteFile(m.name, progress, 0o600) // a hint
	}
}

package writeback

import (
	"crypto/md5"
	"encoding/hex"
	"hash"
)

// digest is the MD5 of one block as far as it is known. It follows the writes: bytes that arrive in
// order are hashed as they arrive, and what was hashed stays valid until one of its bytes changes.
//
// INVARIANT: run is the MD5 of the block's first fed bytes as they are now; run == nil means fed == 0.
type digest struct {
	sum string // hex MD5 of the whole block; "" while unknown
	run hash.Hash
	fed int64
}

// wrote notes that the bytes p now stand at offset rel of the block.
func (d *digest) wrote(rel int64, p []byte) {
	d.sum = ""
	switch {
	case rel == 0:
		d.run, d.fed = md5.New(), 0
	case rel < d.fed:
		d.run, d.fed = nil, 0 // a hashed byte changed
		return
	case rel > d.fed || d.run == nil:
		return // beyond the hashed bytes, which stand
	}
	d.run.Write(p)
	d.fed += int64(len(p))
	if d.fed == blockSize {
		d.finish()
	}
}

// resized notes that the block is now n bytes long: cut off, or grown by zeros.
func (d *digest) resized(n int64) {
	d.sum = ""
	if n < d.fed {
		d.run, d.fed = nil, 0
	}
}

// spoiled notes that nothing is known of the block's bytes.
func (d *digest) spoiled() { *d = digest{} }

// finish sets sum from run, which has seen the whole block. A full block cannot grow, so its state
// is dropped; that of a shorter one is kept for bytes to come.
func (d *digest) finish() {
	d.sum = hex.EncodeToString(d.run.Sum(nil))
	if d.fed == blockSize {
		d.run, d.fed = nil, 0
	}
}

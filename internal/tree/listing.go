package tree

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Entry is one name of a directory.
type Entry struct {
	Name string
	ID   uint64 // the service's identity
	Ino  uint64 // the inode number that was shown, where that is not ID; else 0
	Dir  bool
	Size int64  // bytes
	MD5  string // as the service gave it, "" for none

	LocalMtime, ServerMtime, ServerCtime int64 // Unix seconds; 0: none
}

// Listing is a directory as it was when the service was asked.
type Listing struct {
	Asked   time.Time
	Entries []Entry

	// Trusted: every mount since it was stored has ended in order, so that it has all that this machine knew. Otherwise it is what there
	// is when the service cannot be asked. Set by Store.Listing.
	Trusted bool
}

// formatVersion begins every listing; behind it come the CRC-32C of the rest, in four bytes, and the rest.
const formatVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that stored bytes are not what encode makes.
var errDamaged = errors.New("damaged, or written by another version")

// encode is the listing as it is stored: varints, and strings behind their length. The epoch is another after each mount that did not end
// in order.
func (l Listing) encode(epoch uint64) []byte {
	b := make([]byte, 5, 64+80*len(l.Entries))
	b = binary.AppendUvarint(b, epoch)
	b = binary.AppendVarint(b, l.Asked.UnixNano())
	b = binary.AppendUvarint(b, uint64(len(l.Entries)))
	for _, e := range l.Entries {
		b = appendText(b, e.Name)
		b = binary.AppendUvarint(b, e.ID)
		b = binary.AppendUvarint(b, e.Ino)
		b = append(b, 0)
		if e.Dir {
			b[len(b)-1] = 1
		}
		b = binary.AppendVarint(b, e.Size)
		b = appendText(b, e.MD5)
		for _, t := range []int64{e.LocalMtime, e.ServerMtime, e.ServerCtime} {
			b = binary.AppendVarint(b, t)
		}
	}
	b[0] = formatVersion
	binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode is the reverse of encode.
func decode(b []byte) (l Listing, epoch uint64, err error) {
	if len(b) < 5 || b[0] != formatVersion || binary.LittleEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return Listing{}, 0, errDamaged
	}
	r := reader{rest: b[5:]}
	epoch = r.uvarint()
	l = Listing{Asked: time.Unix(0, r.varint())}
	n := r.uvarint()
	if n > uint64(len(b)) {
		return Listing{}, 0, errDamaged
	}
	l.Entries = make([]Entry, 0, n)
	for range n {
		e := Entry{Name: r.text(), ID: r.uvarint(), Ino: r.uvarint(), Dir: r.byte() == 1, Size: r.varint(), MD5: r.text()}
		e.LocalMtime, e.ServerMtime, e.ServerCtime = r.varint(), r.varint(), r.varint()
		l.Entries = append(l.Entries, e)
	}
	if r.short || len(r.rest) > 0 {
		return Listing{}, 0, errDamaged
	}
	return l, epoch, nil
}

// reader takes values from the front of rest. What is not there reads as zero, and short says so.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) took(n int) {
	if n <= 0 {
		r.short, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.took(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.took(n)
	return v
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.short = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

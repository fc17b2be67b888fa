package blockcache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The sidecar of a cached object says which of its grains the data file holds. docs/formats.md has a
// worked example; golden bytes and a fuzz target are in format_test.go.
//
//	offset  bytes  what
//	0       8      magic "TBFSBC" and the version, 2 bytes little-endian
//	8       8      size of the object in bytes
//	16      4      length of the key in bytes
//	20      4      flags: 1 pinned
//	24      4      CRC-32C of bytes 0-19 and 28 on; flags change in place and are not covered
//	28      4      length of the name in bytes
//	32      k+m    the key, then the name, for people; padded with zeros to a multiple of 8
//	...     8 n    one record a grain: its CRC-32C, then that number xor recordMask; 0 is an absent grain
//
// Numbers are little-endian. A record lies within 8 aligned bytes, so that a crash leaves the old or
// the new one; one that is damaged fails its own check and is an absent grain. Whether the data file
// really holds what a record says is known only when the grain is read: its CRC decides.
const (
	formatMagic   = "TBFSBC"
	formatVersion = 1
	headerSize    = 32
	recordSize    = 8
	maxTextLength = 8192 // of key and name
	flagsOffset   = 20

	// recordMask keeps a record of zeros from standing for content whose CRC is 0.
	recordMask = 0x9e3779b9
)

// flagPinned is set in the header of an object that eviction leaves alone.
const flagPinned = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFormat says that a sidecar is not one of ours, of another version, or damaged: a miss.
var errFormat = errors.New("not a sidecar of this version")

// sidecarHeader is what a sidecar says of its object.
type sidecarHeader struct {
	id    objectID
	name  string // where the object was last seen, for people
	flags uint32
}

// length is that of the header in bytes; the first record follows it.
func (h sidecarHeader) length() int64 { return headerSize + int64(len(h.id.key)+len(h.name)+7)&^7 }

// encodeHeader returns the bytes of a sidecar before its records.
func encodeHeader(h sidecarHeader) []byte {
	b := make([]byte, h.length())
	copy(b, formatMagic)
	binary.LittleEndian.PutUint16(b[6:], formatVersion)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.id.size))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(h.id.key)))
	binary.LittleEndian.PutUint32(b[20:], h.flags)
	binary.LittleEndian.PutUint32(b[28:], uint32(len(h.name)))
	copy(b[headerSize:], h.id.key)
	copy(b[headerSize+len(h.id.key):], h.name)
	binary.LittleEndian.PutUint32(b[24:], headerSum(b))
	return b
}

func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, b[28:])
}

// decodeHeader reads what encodeHeader wrote; b may be longer. Its errors wrap errFormat.
func decodeHeader(b []byte) (sidecarHeader, error) {
	if len(b) < headerSize || string(b[:6]) != formatMagic {
		return sidecarHeader{}, fmt.Errorf("%d bytes without the magic: %w", len(b), errFormat)
	}
	if v := binary.LittleEndian.Uint16(b[6:]); v != formatVersion {
		return sidecarHeader{}, fmt.Errorf("version %d: %w", v, errFormat)
	}
	size := int64(binary.LittleEndian.Uint64(b[8:]))
	key, name := int64(binary.LittleEndian.Uint32(b[16:])), int64(binary.LittleEndian.Uint32(b[28:]))
	end := headerSize + (key+name+7)&^7
	if size < 0 || key+name > maxTextLength || end > int64(len(b)) {
		return sidecarHeader{}, fmt.Errorf("size %d, %d bytes of text: %w", size, key+name, errFormat)
	}
	if binary.LittleEndian.Uint32(b[24:]) != headerSum(b[:end]) {
		return sidecarHeader{}, fmt.Errorf("header checksum: %w", errFormat)
	}
	text := string(b[headerSize : headerSize+key+name])
	return sidecarHeader{
		id: objectID{key: text[:key], size: size}, name: text[key:], flags: binary.LittleEndian.Uint32(b[20:]),
	}, nil
}

// encodeRecord returns the record of a grain that is present with this CRC.
func encodeRecord(sum uint32) [recordSize]byte {
	var b [recordSize]byte
	binary.LittleEndian.PutUint32(b[:], sum)
	binary.LittleEndian.PutUint32(b[4:], sum^recordMask)
	return b
}

// decodeRecord returns the CRC of a grain, and whether it is present.
func decodeRecord(b []byte) (sum uint32, present bool) {
	sum = binary.LittleEndian.Uint32(b)
	return sum, binary.LittleEndian.Uint32(b[4:]) == sum^recordMask
}

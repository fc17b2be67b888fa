package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"time"
)

// The part rules of docs/protocol.md#chunk-rules.
const (
	minPart  = 4 << 20
	maxPart  = 128 << 20
	maxParts = 1024
)

// rapidMin is the size from which known content need not be sent.
const rapidMin = 256 << 10

// upload is what precreate opened: a file that is being received.
type upload struct {
	ID         string        `json:"id"`
	Path       string        `json:"path"`
	Size       int64         `json:"size"` // -1 if precreate was not told
	Made       int64         `json:"made"` // unix s
	LocalMtime int64         `json:"lm,omitempty"`
	LocalCtime int64         `json:"lc,omitempty"`
	Known      map[int]block `json:"known,omitempty"` // parts that need not be sent, by index
	Parts      map[int]block `json:"parts,omitempty"` // parts received, by index

	Used bool  `json:"used,omitempty"` // create, or a rapid precreate, made the file
	FsID int64 `json:"fs,omitempty"`   // the file made
	// Rapid is set while the file was made by precreate and create has not been called: the seed document allows that call.
	Rapid bool `json:"rapid,omitempty"`
}

// newUploadID makes an opaque id of the service's form: N1- and base64 of address, time and request id.
func newUploadID(now time.Time, request int64) string {
	var nonce [6]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return "N1-" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "127.0.0.1:%d:%d%x", now.Unix(), request, nonce))
}

// partLength returns the part length that the service expects for a file of size bytes: 4 MiB up to 4 GiB, then doubling.
func partLength(size int64) int64 {
	length := int64(minPart)
	for length < maxPart && size > length*maxParts {
		length *= 2
	}
	return length
}

// blocksOf pairs a md5 list with the part lengths that follow from size. False means that the list has another length: it is
// a placeholder, or split some other way.
func blocksOf(list []string, size int64) ([]block, bool) {
	length := partLength(size)
	if size <= 0 || int64(len(list)) != (size+length-1)/length {
		return nil, false
	}
	blocks := make([]block, len(list))
	for i, sum := range list {
		blocks[i] = block{MD5: sum, Size: min(length, size-int64(i)*length)}
	}
	return blocks, true
}

// openUpload registers a new upload. Its Known blocks are those of want that are stored now; they stay stored for its life.
func (d *drive) openUpload(up *upload, want []block) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	up.Known = map[int]block{}
	for i, k := range want {
		if d.blobs.acquire(k) {
			up.Known[i] = k
			defer d.blobs.release(k) // apply takes one for the upload
		}
	}
	return d.commit(&record{Upload: up, End: d.expiredUploads()})
}

// expiredUploads lists the uploads past their life. Needs mu.
func (d *drive) expiredUploads() []string {
	var ids []string
	for id, up := range d.uploads {
		if d.expired(up) {
			ids = append(ids, id)
		}
	}
	return ids
}

// expired tells whether an upload is past its life.
func (d *drive) expired(up *upload) bool {
	return d.cfg.Now().Sub(time.Unix(up.Made, 0)) > time.Duration(d.cfg.live.get().UploadTTL)
}

// uploadOf returns a copy of a live upload, or errUnknownID.
func (d *drive) uploadOf(id string) (upload, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.uploadLocked(id)
}

// uploadLocked is uploadOf. Needs mu.
func (d *drive) uploadLocked(id string) (upload, error) {
	up := d.uploads[id]
	if up == nil || d.expired(up) {
		return upload{}, errUnknownID
	}
	got := *up
	got.Known, got.Parts = maps.Clone(up.Known), maps.Clone(up.Parts)
	return got, nil
}

// addPart records a received part; the caller keeps its reference to k. The same seq again replaces the part.
func (d *drive) addPart(id string, seq int, k block) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	up, err := d.uploadLocked(id)
	if err != nil {
		return err
	}
	if up.Used && !d.cfg.ReuseUploads {
		return errUnknownID
	}
	if up.Parts[seq] == k {
		return nil
	}
	return d.commit(&record{Part: &partRecord{Upload: id, Seq: seq, Block: k}})
}

package probe

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	partSize  = 4 << 20
	largeFile = partSize + 1000 // of two parts
	rapidFile = 300 << 10       // large enough to be recognised (docs/protocol.md#rapid-upload)
	smallFile = 2000
)

// random returns bytes that the service has not seen.
func (p *Probe) random(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(p.Rand.Uint32())
	}
	return data
}

func sumOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// parts are the digests of the parts of data.
func parts(data []byte) []string {
	if len(data) == 0 {
		return []string{sumOf(nil)}
	}
	var sums []string
	for part := range slices.Chunk(data, partSize) {
		sums = append(sums, sumOf(part))
	}
	return sums
}

// begin precreates data at path.
func begin(ctx context.Context, s Service, path string, data []byte, mtime time.Time, rtype remote.Conflict) (remote.Precreated, error) {
	return s.Precreate(ctx, remote.PrecreateRequest{Path: path, Size: int64(len(data)), BlockList: parts(data), Mtime: mtime, Conflict: rtype})
}

// send sends part i.
func send(ctx context.Context, s Service, path, id string, data []byte, i int) error {
	part := data[i*partSize : min(len(data), (i+1)*partSize)]
	sum, err := s.UploadPart(ctx, remote.PartRequest{Path: path, UploadID: id, Seq: i, Size: int64(len(part)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(part)), nil }})
	if err == nil && sum != sumOf(part) {
		err = errors.New("another digest")
	}
	return err
}

// put uploads data whole, in the given order of its parts.
func put(ctx context.Context, s Service, path string, data []byte, mtime time.Time, rtype remote.Conflict, order ...int) (remote.Entry, error) {
	pre, err := begin(ctx, s, path, data, mtime, rtype)
	if err != nil {
		return remote.Entry{}, err
	}
	if pre.Done != nil {
		return *pre.Done, nil
	}
	if order == nil {
		for i := range parts(data) {
			order = append(order, i)
		}
	}
	for _, i := range order {
		if err := send(ctx, s, path, pre.UploadID, data, i); err != nil {
			return remote.Entry{}, err
		}
	}
	return s.Create(ctx, remote.CreateRequest{Path: path, Size: int64(len(data)), UploadID: pre.UploadID, BlockList: parts(data), Mtime: mtime, Conflict: rtype})
}

// putFile uploads data to a path of its own, and returns what a second look shows.
func (p *Probe) putFile(ctx context.Context, data []byte) (remote.Entry, error) {
	at := p.fresh()
	if _, err := put(ctx, p.Service, at, data, p.Now(), remote.ConflictFail); err != nil {
		return remote.Entry{}, err
	}
	return p.Service.Stat(ctx, at)
}

// yes is an answer of yes or no.
func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// outcome is "yes" without an error, and else the kind of the refusal.
func outcome(err error) string {
	if err == nil {
		return "yes"
	}
	return "no: " + kindOf(err)
}

// askDialect asks whether an upload in the dialect of a name works.
func askDialect(name string) func(context.Context, *Probe) (string, error) {
	return func(ctx context.Context, p *Probe) (string, error) {
		s := p.Dialects[name]
		if s == nil {
			return "", fmt.Errorf("no client of dialect %s", name)
		}
		_, err := put(ctx, s, p.fresh(), p.random(smallFile), p.Now(), remote.ConflictFail)
		return outcome(err), nil
	}
}

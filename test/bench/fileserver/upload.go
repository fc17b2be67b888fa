package main

import (
	"context"
	"crypto/md5"
	"hash"
	"net/http"
	"os"

	"golang.org/x/net/webdav"
)

// uploads takes files by WebDAV into dir, and hashes what it receives, as the emulator does and as TeraBox must.
func uploads(dir string) http.Handler {
	return &webdav.Handler{FileSystem: hashingDir{webdav.Dir(dir)}, LockSystem: webdav.NewMemLS()}
}

type hashingDir struct{ webdav.Dir }

// OpenFile implements webdav.FileSystem.
func (d hashingDir) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	f, err := d.Dir.OpenFile(ctx, name, flag, perm)
	if err != nil || flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f, err
	}
	return &hashedFile{File: f, sum: md5.New()}, nil
}

type hashedFile struct {
	webdav.File
	sum hash.Hash
}

// Write implements io.Writer.
func (f *hashedFile) Write(p []byte) (int, error) {
	f.sum.Write(p)
	return f.File.Write(p)
}

// Close drops the digest: only the work of making it counts.
func (f *hashedFile) Close() error {
	f.sum.Sum(nil)
	return f.File.Close()
}

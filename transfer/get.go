package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Get copies what is at the paths froms of the drive to this machine, by the rule of cp -r. Files are reported one by one; the error is about the
// whole.
func (e *Engine) Get(ctx context.Context, froms []string, to string) error {
	e.begin()
	place, err := localTarget(to, len(froms))
	if err != nil {
		return err
	}
	files, ctx := errgroup.WithContext(ctx)
	files.SetLimit(max(1, e.Files))
	for _, from := range froms {
		if err := e.getTree(ctx, files, from, place); err != nil {
			return errors.Join(err, files.Wait())
		}
	}
	e.Progress.walked()
	return files.Wait()
}

// getTree has what is at from copied by files.
func (e *Engine) getTree(ctx context.Context, files *errgroup.Group, from string, place func(string) string) error {
	top, err := look(ctx, e.Source, path.Clean(from))
	if err != nil {
		return err
	}
	name := path.Base(top.Path)
	if top.Path == "/" || strings.HasSuffix(from, "/.") {
		name = "."
	}
	to := place(name)
	if !top.IsDir {
		e.Progress.found(top.Size)
		files.Go(func() error { return e.getFile(ctx, top, to) })
		return nil
	}
	if err := e.makeDir(top.Path, to); err != nil {
		return err
	}
	return Walk(ctx, e.Source, top.Path, func(entry remote.Entry) error {
		at := filepath.Join(to, filepath.FromSlash(strings.TrimPrefix(entry.Path, strings.TrimSuffix(top.Path, "/")+"/")))
		if entry.IsDir {
			if err := e.makeDir(entry.Path, at); err != nil {
				e.fail(ctx, Outcome{From: entry.Path, To: at, Dir: true}, err)
			}
			return nil
		}
		e.Progress.found(entry.Size)
		files.Go(func() error { return e.getFile(ctx, entry, at) })
		return nil
	}, func(dir string, err error) error {
		e.fail(ctx, Outcome{From: dir, Dir: true}, err)
		return nil
	})
}

// makeDir makes a directory here, if it is not there.
func (e *Engine) makeDir(from, to string) error {
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		return nil
	}
	o := Outcome{From: from, To: to, Dir: true, State: Planned}
	if !e.DryRun {
		if err := os.Mkdir(to, 0o777); err != nil {
			return err
		}
		o.State = Done
	}
	e.tell(o)
	return nil
}

// getFile copies one file. What goes wrong with it is an outcome; the error is ctx's.
func (e *Engine) getFile(ctx context.Context, from remote.Entry, to string) error {
	o := Outcome{From: from.Path, To: to, Bytes: from.Size, State: Done}
	same, err := e.sameHere(from, to)
	switch {
	case err != nil:
	case same:
		o.State = Skipped
	case e.DryRun:
		o.State = Planned
	default:
		err = e.fetch(ctx, from, to)
	}
	if err != nil {
		e.fail(ctx, o, err)
		return ctx.Err()
	}
	e.tell(o)
	return nil
}

// sameHere says whether to is the file already.
func (e *Engine) sameHere(from remote.Entry, to string) (bool, error) {
	info, err := os.Lstat(to)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, ErrIsDir
	case !info.Mode().IsRegular() || info.Size() != from.Size:
		return false, nil
	case !e.Checksum:
		return info.ModTime().Unix() == from.Mtime().Unix(), nil
	case !onePart(from):
		return false, nil // its md5 is not that of the content
	}
	sum, err := fileMD5(to)
	return sum == from.MD5, err
}

// onePart says whether the service's md5 of the file is that of its content (docs/protocol.md#md5).
func onePart(e remote.Entry) bool { return e.MD5 != "" && e.Size <= remote.PartSize(e.Size) }

func fileMD5(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return fileMD5Of(f)
}

func fileMD5Of(r io.Reader) (string, error) {
	h := md5.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

// fetch brings the file to its place, going on with what an earlier command left.
func (e *Engine) fetch(ctx context.Context, from remote.Entry, to string) error {
	p, err := openPartial(from, to)
	if err != nil {
		return err
	}
	defer p.close()
	active, done := e.Progress.start(from.Path, from.Size)
	defer done()
	active.before = p.have()
	active.Bytes.Store(active.before)
	for tries := 2; ; tries-- {
		if err := e.chunks(ctx, p, active); err != nil {
			return errors.Join(err, p.note())
		}
		if err := p.check(); err == nil {
			break
		} else if tries == 1 {
			return errors.Join(err, p.remove())
		}
		if err := p.forget(); err != nil {
			return err
		}
		active.Bytes.Store(0)
	}
	return p.finish()
}

// chunks brings the chunks that are missing, several at a time.
func (e *Engine) chunks(ctx context.Context, p *partial, active *Active) error {
	g, chunks := errgroup.WithContext(ctx)
	for _, i := range p.missing() {
		if err := e.streams.Acquire(chunks, 1); err != nil {
			break // because ctx ended, or for an error that Wait returns
		}
		g.Go(func() error {
			defer e.streams.Release(1)
			return e.chunk(chunks, p, i, active)
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// chunk brings chunk i.
func (e *Engine) chunk(ctx context.Context, p *partial, i int, active *Active) (err error) {
	sp := p.chunk(i)
	came := int64(0)
	defer func() {
		if err != nil {
			active.Bytes.Add(-came)
		}
	}()
	body, err := e.Source.OpenRange(ctx, p.entry, sp.Off, sp.Len)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, min(sp.Len, 256<<10))
	for came < sp.Len {
		n, err := body.Read(buf[:min(int64(len(buf)), sp.Len-came)])
		if _, err := p.file.WriteAt(buf[:n], sp.Off+came); err != nil {
			return err
		}
		came += int64(n)
		active.Bytes.Add(int64(n))
		if err != nil && came < sp.Len {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("bytes %v: %w", sp, err)
		}
	}
	return p.arrived(i)
}

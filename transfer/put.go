package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// Put copies what is at the paths froms of this machine to the drive, by the rule of cp -r. Files are reported one by one; the error is about the
// whole. Files that are neither plain nor directories fail: the drive holds nothing else.
func (e *Engine) Put(ctx context.Context, froms []string, to string) error {
	e.begin()
	place, taken, err := Target(ctx, e.Drive, to, len(froms))
	if err != nil {
		return err
	}
	files, ctx := errgroup.WithContext(ctx)
	files.SetLimit(max(1, e.Files))
	for _, from := range froms {
		if err := e.putTop(ctx, files, from, place, taken); err != nil {
			return errors.Join(err, files.Wait())
		}
	}
	e.Progress.walked()
	return files.Wait()
}

// putTop has one of the sources copied by files; taken is what is at its place, if that is known.
func (e *Engine) putTop(ctx context.Context, files *errgroup.Group, from string, place func(string) string, taken *remote.Entry) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	name := filepath.Base(filepath.Clean(from))
	if from == "." || from == "/" || strings.HasSuffix(from, "/.") {
		name = "."
	}
	to := place(name)
	switch {
	case info.IsDir() && taken != nil:
		return fmt.Errorf("%s: %w", to, ErrNotDir)
	case info.IsDir():
		return e.putDir(ctx, files, filepath.Clean(from), to)
	}
	if taken == nil {
		there, err := look(ctx, e.Drive, to)
		switch {
		case err == nil:
			taken = &there
		case !errors.Is(err, remote.ErrNotExist):
			return err
		}
	}
	e.addFile(ctx, files, from, info, to, taken)
	return nil
}

// putDir has a directory copied by files, itself and what is in it. What is wrong with it is an outcome; the error is ctx's.
func (e *Engine) putDir(ctx context.Context, files *errgroup.Group, from, to string) error {
	o := Outcome{From: from, To: to, Dir: true}
	there, err := names(ctx, e.Drive, to)
	if errors.Is(err, remote.ErrNotExist) {
		if o.State = Planned; !e.DryRun {
			o.State = Done
			_, err = e.Drive.Mkdir(ctx, to)
		} else {
			err = nil
		}
		if err == nil || errors.Is(err, remote.ErrExist) {
			err = nil
			e.tell(o)
		}
	}
	if err != nil {
		e.fail(ctx, o, err)
		return ctx.Err()
	}
	dir, err := os.Open(from)
	if err != nil {
		e.fail(ctx, o, err)
		return nil
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(1000)
		for _, d := range entries {
			if err := e.putEntry(ctx, files, filepath.Join(from, d.Name()), path.Join(to, d.Name()), there[d.Name()]); err != nil {
				return err
			}
		}
		if err != nil {
			if err != io.EOF {
				e.fail(ctx, o, err)
			}
			return ctx.Err()
		}
	}
}

// putEntry has one entry of a directory copied.
func (e *Engine) putEntry(ctx context.Context, files *errgroup.Group, from, to string, taken *remote.Entry) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	info, err := os.Lstat(from)
	switch {
	case err != nil:
		e.fail(ctx, Outcome{From: from, To: to}, err)
	case info.IsDir() && taken != nil && !taken.IsDir:
		e.fail(ctx, Outcome{From: from, To: to, Dir: true}, ErrNotDir)
	case info.IsDir():
		return e.putDir(ctx, files, from, to)
	default:
		e.addFile(ctx, files, from, info, to, taken)
	}
	return nil
}

// addFile has one file copied by files.
func (e *Engine) addFile(ctx context.Context, files *errgroup.Group, from string, info os.FileInfo, to string, taken *remote.Entry) {
	o := Outcome{From: from, To: to, Bytes: info.Size()}
	switch {
	case !info.Mode().IsRegular():
		e.fail(ctx, o, ErrPlainFiles)
		return
	case taken != nil && taken.IsDir:
		e.fail(ctx, o, ErrIsDir)
		return
	}
	e.Progress.found(info.Size())
	files.Go(func() error {
		state, err := e.putFile(ctx, from, to, taken)
		if o.State = state; err != nil && state != Done {
			e.fail(ctx, o, err)
			return ctx.Err()
		}
		o.Err = err
		e.tell(o)
		return nil
	})
}

// putFile copies one file. With Done an error says under which other name.
func (e *Engine) putFile(ctx context.Context, from, to string, taken *remote.Entry) (State, error) {
	f, err := os.Open(from)
	if err != nil {
		return Failed, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Failed, err
	}
	alike := taken != nil && taken.Size == before.Size()
	sameTime := alike && taken.Mtime().Unix() == before.ModTime().Unix()
	switch {
	case sameTime && !e.Checksum:
		return Skipped, nil
	case e.DryRun && !e.Checksum:
		return Planned, nil
	}
	active, done := e.Progress.start(from, before.Size())
	defer done()
	sealed, err := e.Sender.Seal(ctx, f, before.Size())
	switch {
	case err != nil:
		return Failed, err
	case alike && e.Checksum && taken.MD5 == sealed.MD5():
		return Skipped, nil
	case e.DryRun:
		return Planned, nil
	}
	marks := e.marks(to)
	_, err = e.Sender.Send(ctx, sealed, writeback.Target{Path: to, Mtime: before.ModTime(), Replaces: taken},
		writeback.Attended{Earlier: marks.load(), Note: marks.save, Arrived: &active.Bytes})
	if err != nil && !errors.Is(err, writeback.ErrConflict) {
		return Failed, err
	}
	after, statErr := f.Stat()
	if statErr != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return Failed, fmt.Errorf("%w; the drive has it as it was at first", writeback.ErrFileChanged)
	}
	return Done, err
}

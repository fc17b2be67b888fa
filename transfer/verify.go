package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Verdict is what a comparison says of one path.
type Verdict string

// Verdicts.
const (
	Same      Verdict = "same"
	Different Verdict = "different"
	Missing   Verdict = "missing" // on the drive
	Extra     Verdict = "extra"   // on the drive only
	Unclear   Verdict = "unclear" // equal in size, and the service does not tell a digest that can be compared
)

// Compared is the outcome for one path.
type Compared struct {
	Path    string // on the drive
	Local   string
	Dir     bool
	Bytes   int64
	Verdict Verdict
	Err     error // it could not be compared
}

// Verify compares the directory dir of the drive with a directory of this machine, by the digests that the service tells: nothing is brought
// here, and nothing changed there. note is called for each path by one goroutine at a time.
func (e *Engine) Verify(ctx context.Context, dir, local string, note func(Compared)) error {
	v := &verification{Engine: e, say: func(c Compared) {
		e.telling.Lock()
		defer e.telling.Unlock()
		note(c)
	}}
	files, ctx := errgroup.WithContext(ctx)
	files.SetLimit(2) // each is hashed by several goroutines
	if info, err := os.Stat(local); err != nil {
		return err
	} else if !info.IsDir() {
		return ErrNotDir
	}
	return errors.Join(v.dir(ctx, files, path.Clean(dir), local), files.Wait())
}

type verification struct {
	*Engine
	say func(Compared)
}

// dir compares two directories. The error is ctx's, or that of the listing of the first.
func (v *verification) dir(ctx context.Context, files *errgroup.Group, dir, local string) error {
	there, err := names(ctx, v.Source, dir)
	if err != nil {
		return err
	}
	here, err := os.ReadDir(local)
	if err != nil {
		return err
	}
	for _, d := range here {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c := Compared{Path: path.Join(dir, d.Name()), Local: filepath.Join(local, d.Name()), Dir: d.IsDir()}
		info, err := d.Info()
		if err == nil && !c.Dir {
			c.Bytes = info.Size()
		}
		entry := there[d.Name()]
		delete(there, d.Name())
		switch {
		case err != nil:
			c.Err = err
		case entry == nil:
			c.Verdict = Missing
		case entry.IsDir != c.Dir || !c.Dir && (!info.Mode().IsRegular() || entry.Size != c.Bytes):
			c.Verdict = Different
		case c.Dir:
			if err := v.dir(ctx, files, c.Path, c.Local); err != nil {
				if ctx.Err() != nil {
					return err
				}
				c.Err = err
				break
			}
			continue
		default:
			files.Go(func() error { v.say(v.file(ctx, c, *entry)); return ctx.Err() })
			continue
		}
		v.say(c)
	}
	for name, entry := range there {
		v.say(Compared{Path: path.Join(dir, name), Local: filepath.Join(local, name), Dir: entry.IsDir, Bytes: entry.Size, Verdict: Extra})
	}
	return nil
}

// file compares the contents of two files of one size.
func (v *verification) file(ctx context.Context, c Compared, entry remote.Entry) Compared {
	if c.Verdict = Unclear; entry.MD5 == "" {
		return c
	}
	f, err := os.Open(c.Local)
	if err != nil {
		c.Err = err
		return c
	}
	defer f.Close()
	sealed, err := v.Sender.Seal(ctx, f, entry.Size)
	if err != nil {
		c.Err = err
		return c
	}
	if sealed.MD5() == entry.MD5 {
		c.Verdict = Same
		return c
	}
	if c.Verdict = Different; onePart(entry) {
		return c
	}
	// The service may have it in other parts, or tell the digest of all bytes.
	if sum, err := fileMD5Of(io.NewSectionReader(f, 0, entry.Size)); err != nil {
		c.Err = err
	} else if sum == entry.MD5 {
		c.Verdict = Same
	}
	return c
}

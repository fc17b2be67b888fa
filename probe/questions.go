package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
)

// questions are all of them, in the order in which they are asked.
var questions = []question{
	{"dialect-xpan", "do uploads by /rest/2.0/xpan/file work?", "4.0, 10.1", "yes", "--api-dialect=web", askDialect("xpan")},
	{"dialect-web", "do uploads by /api/precreate and /api/create work?", "4.0, 10.1", "yes", "--api-dialect=xpan", askDialect("web")},
	{"empty-file", "can a file of no bytes be made, and is it listed with size 0?", "4.8", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		e, err := p.putFile(ctx, nil)
		if err != nil {
			return outcome(err), nil
		}
		return yes(e.Size == 0 && !e.IsDir), nil
	}},
	{"mtime-kept", "is the time of a file kept (local_mtime)?", "4.7, 10", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		at, when := p.fresh(), time.Unix(1_000_000_000, 0)
		if _, err := put(ctx, p.Service, at, p.random(smallFile), when, remote.ConflictFail); err != nil {
			return "", err
		}
		e, err := p.Service.Stat(ctx, at)
		return yes(e.LocalMtime.Equal(when)), err
	}},
	{"rtype-0", "does rtype 0 refuse a path that is taken?", "4.5", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		first, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		e, err := put(ctx, p.Service, first.Path, p.random(smallFile+1), p.Now(), remote.ConflictFail)
		switch {
		case errors.Is(err, remote.ErrExist):
			return "yes", nil
		case err == nil && e.Path != "" && e.Path != first.Path:
			return "no: it makes another name", nil
		}
		return outcome(err), nil
	}},
	{"rtype-3", "does rtype 3 replace the file in one step, under its name?", "4.5, 10.5", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		first, second, err := overwrite(ctx, p)
		return yes(err == nil && second.Path == first.Path && second.Size == first.Size+1), err
	}},
	{"fs-id", "does a file that is overwritten keep its fs_id?", "4.5, 10", "no", "", func(ctx context.Context, p *Probe) (string, error) {
		first, second, err := overwrite(ctx, p)
		return yes(first.FsID == second.FsID), err
	}},
	{"md5-parts", "what is the md5 of a file of several parts?", "2.5, 4.6", "that of the list of the parts' md5s", "", func(ctx context.Context, p *Probe) (string, error) {
		data := p.random(largeFile)
		e, err := p.putFile(ctx, data)
		switch e.MD5 {
		case remote.FileMD5(parts(data)):
			return "that of the list of the parts' md5s", err
		case sumOf(data):
			return "that of all its bytes", err
		case "":
			return "there is none", err
		}
		return "something else", err
	}},
	{"part-order", "may parts be sent in any order?", "4.3", "yes", "--parts=1", func(ctx context.Context, p *Probe) (string, error) {
		_, err := put(ctx, p.Service, p.fresh(), p.random(largeFile), p.Now(), remote.ConflictFail, 1, 0)
		return outcome(err), nil
	}},
	{"part-missing", "is a create without all its parts refused?", "4.4", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		data, at := p.random(largeFile), p.fresh()
		pre, err := begin(ctx, p.Service, at, data, p.Now(), remote.ConflictFail)
		if err != nil {
			return "", err
		}
		if err := send(ctx, p.Service, at, pre.UploadID, data, 1); err != nil {
			return "", err
		}
		_, err = p.Service.Create(ctx, remote.CreateRequest{Path: at, Size: int64(len(data)), UploadID: pre.UploadID, BlockList: parts(data), Mtime: p.Now(), Conflict: remote.ConflictFail})
		return yes(err != nil), nil
	}},
	{"rapid", "what does precreate say of 300 KiB that the drive has already?", "4.9, 10.3", "it is made, or no part is wanted", "--rapid=off", func(ctx context.Context, p *Probe) (string, error) {
		data := p.random(rapidFile)
		if _, err := p.putFile(ctx, data); err != nil {
			return "", err
		}
		pre, err := begin(ctx, p.Service, p.fresh(), data, p.Now(), remote.ConflictFail)
		if err == nil && (pre.Done != nil || pre.Claimed || len(pre.Needed) == 0) {
			return "it is made, or no part is wanted", nil
		}
		return "all parts are wanted", err
	}},
	{"rapid-truth", "does a claim to have content hold, compared byte by byte?", "4.9", "yes", "--rapid=off", func(ctx context.Context, p *Probe) (string, error) {
		data := p.random(rapidFile)
		if _, err := p.putFile(ctx, data); err != nil {
			return "", err
		}
		at := p.fresh()
		if _, err := put(ctx, p.Service, at, data, p.Now(), remote.ConflictFail); err != nil {
			return "", err
		}
		e, err := p.Service.Stat(ctx, at)
		if err != nil {
			return "", err
		}
		got, err := p.read(ctx, e, 0, e.Size)
		return yes(bytes.Equal(got, data)), err
	}},
	{"range", "is exactly the range sent that is asked for?", "3.5", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		data := p.random(rapidFile)
		e, err := p.putFile(ctx, data)
		if err != nil {
			return "", err
		}
		got, err := p.read(ctx, e, 1001, 4097)
		return yes(bytes.Equal(got, data[1001:1001+4097])), err
	}},
	{"ranges", "may four ranges of a file come at a time?", "3.5, 8", "yes", "--streams=1", func(ctx context.Context, p *Probe) (string, error) {
		e, err := p.putFile(ctx, p.random(rapidFile))
		if err != nil {
			return "", err
		}
		var g errgroup.Group
		for i := range int64(4) {
			g.Go(func() error { _, err := p.read(ctx, e, i*70_000, 70_000); return err })
		}
		return outcome(g.Wait()), nil
	}},
	{"case", "are names that differ in case two files?", "5.3, 10", "yes", "", twoNames("Case", "case")},
	{"unicode", "are NFC and NFD spellings of a name two files?", "5.3", "yes", "", twoNames("caf\u00e9", "cafe\u0301")},
	{"emoji", "can a name have characters beyond U+FFFF as they are?", "5.3", "no", "", keepsName("emoji \U0001f600")},
	{"forbidden", `which of \ : * ? " < > | are refused or changed in names?`, "5.3, 10.15", "all", "", forbidden},
	{"edges", "are a space or a dot at the end of a name kept?", "5.3", "no", "", func(ctx context.Context, p *Probe) (string, error) {
		for _, name := range []string{"space ", "dot."} {
			if is, err := keepsName(name)(ctx, p); err != nil || is != "yes" {
				return "no", err
			}
		}
		return "yes", nil
	}},
	{"parents", "does making a directory make those above it?", "4, 5.1", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		_, err := p.Service.Mkdir(ctx, p.at("above/below"))
		return outcome(err), nil
	}},
	{"recursive", "does deleting a directory delete what is in it?", "5.2", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		if _, err := p.Service.Mkdir(ctx, p.at("full/inside")); err != nil {
			return "", err
		}
		return outcome(p.Service.Remove(ctx, p.at("full"))), nil
	}},
	{"delete-shows", "how soon is a deleted file gone from listings?", "2.1, 5.2", "at once", "", func(ctx context.Context, p *Probe) (string, error) {
		e, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		if err := p.Service.Remove(ctx, e.Path); err != nil {
			return "", err
		}
		return p.until(ctx, e.Name(), false)
	}},
	{"create-shows", "how soon is a new file listed?", "2.1", "at once", "", func(ctx context.Context, p *Probe) (string, error) {
		e, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		return p.until(ctx, e.Name(), true)
	}},
	{"bin", "is a deleted file in the recycle bin, with its path?", "5.4", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		e, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		if err := p.Service.Remove(ctx, e.Path); err != nil {
			return "", err
		}
		for page, err := range p.Service.Bin(ctx) {
			if err != nil {
				return "", err
			}
			if slices.ContainsFunc(page, func(b remote.Binned) bool { return b.Path == e.Path }) {
				return "yes", nil
			}
		}
		return "no", nil
	}},
	{"move-over", "does a move replace a file that is there?", "5.2, 10", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		from, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		to, err := p.putFile(ctx, p.random(smallFile+1))
		if err != nil {
			return "", err
		}
		if err := p.Service.Move(ctx, from.Path, to.Path, true); err != nil {
			return outcome(err), nil
		}
		e, err := p.Service.Stat(ctx, to.Path)
		return yes(e.Size == smallFile), err
	}},
	{"move-id", "does a file keep its fs_id when it is moved?", "2.1, 5.2", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		from, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		to := p.fresh()
		if err := p.Service.Move(ctx, from.Path, to, false); err != nil {
			return "", err
		}
		e, err := p.Service.Stat(ctx, to)
		return yes(e.FsID == from.FsID), err
	}},
	{"move-into", "is moving a directory into itself refused?", "10", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		if _, err := p.Service.Mkdir(ctx, p.at("self")); err != nil {
			return "", err
		}
		return yes(p.Service.Move(ctx, p.at("self"), p.at("self/below"), false) != nil), nil
	}},
	{"copy", "does the service copy a file by itself?", "5.2", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		from, err := p.putFile(ctx, p.random(smallFile))
		if err != nil {
			return "", err
		}
		to := p.fresh()
		if err := p.Service.Copy(ctx, from.Path, to); err != nil {
			return outcome(err), nil
		}
		e, err := p.Service.Stat(ctx, to)
		return yes(e.MD5 == from.MD5 && e.Size == from.Size), err
	}},
	{"feed", "does the service tell what changes (filediff)?", "2.3", "yes", "--poll=60s", func(ctx context.Context, p *Probe) (string, error) {
		_, err := p.Service.Changes(ctx, "")
		return outcome(err), nil
	}},
	{"quota", "does the service tell how large the drive is?", "1.5", "yes", "", func(ctx context.Context, p *Probe) (string, error) {
		q, err := p.Service.Quota(ctx)
		return yes(q.Total > 0), err
	}},
}

// overwrite makes a file and replaces it by a longer one.
func overwrite(ctx context.Context, p *Probe) (first, second remote.Entry, err error) {
	if first, err = p.putFile(ctx, p.random(smallFile)); err != nil {
		return first, second, err
	}
	if _, err = put(ctx, p.Service, first.Path, p.random(smallFile+1), p.Now(), remote.ConflictOverwrite); err != nil {
		return first, second, err
	}
	second, err = p.Service.Stat(ctx, first.Path)
	return first, second, err
}

// read returns n bytes of e from off.
func (p *Probe) read(ctx context.Context, e remote.Entry, off, n int64) ([]byte, error) {
	body, err := p.Service.OpenRange(ctx, e, off, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, n))
}

// listed says whether a listing of the directory shows name.
func (p *Probe) listed(ctx context.Context, dir, name string) (bool, error) {
	for page, err := range p.Service.List(ctx, dir) {
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page, func(e remote.Entry) bool { return e.Name() == name }) {
			return true, nil
		}
	}
	return false, nil
}

// settling are the pauses after which a listing is looked at again.
var settling = []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}

// until says how soon a listing shows name, or shows it no more.
func (p *Probe) until(ctx context.Context, name string, there bool) (string, error) {
	waited := time.Duration(0)
	for i := 0; ; i++ {
		is, err := p.listed(ctx, p.root, name)
		switch {
		case err != nil:
			return "", err
		case is == there && i == 0:
			return "at once", nil
		case is == there:
			return "within " + waited.String(), nil
		case i == len(settling):
			return "not within " + waited.String(), nil
		}
		select {
		case <-time.After(settling[i]):
			waited += settling[i]
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// twoNames asks whether two names are two entries.
func twoNames(a, b string) func(context.Context, *Probe) (string, error) {
	return func(ctx context.Context, p *Probe) (string, error) {
		dir := p.fresh()
		for _, name := range []string{a, b} {
			if _, err := p.Service.Mkdir(ctx, dir+"/"+name); err != nil {
				return outcome(err), nil
			}
		}
		for _, name := range []string{a, b} {
			if is, err := p.listed(ctx, dir, name); err != nil || !is {
				return "no", err
			}
		}
		return "yes", nil
	}
}

// keepsName asks whether an entry can have the name.
func keepsName(name string) func(context.Context, *Probe) (string, error) {
	return func(ctx context.Context, p *Probe) (string, error) {
		dir := p.fresh()
		if _, err := p.Service.Mkdir(ctx, dir+"/"+name); errors.Is(err, remote.ErrName) || errors.Is(err, remote.ErrInvalid) {
			return "no", nil
		} else if err != nil {
			return "", err
		}
		is, err := p.listed(ctx, dir, name)
		return yes(is), err
	}
}

// forbidden asks for each character that sources say is refused.
func forbidden(ctx context.Context, p *Probe) (string, error) {
	var refused strings.Builder
	all := `\:*?"<>|`
	for _, c := range all {
		is, err := keepsName("a"+string(c)+"b")(ctx, p)
		if err != nil {
			return "", err
		}
		if is == "no" {
			refused.WriteRune(c)
		}
	}
	switch refused.String() {
	case all:
		return "all", nil
	case "":
		return "none", nil
	}
	return "only " + refused.String(), nil
}

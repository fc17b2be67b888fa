package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Service is the part of remote.Client that is asked.
type Service interface {
	List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error]
	Stat(ctx context.Context, path string) (remote.Entry, error)
	Mkdir(ctx context.Context, path string) (remote.Entry, error)
	Remove(ctx context.Context, paths ...string) error
	Move(ctx context.Context, from, to string, overwrite bool) error
	Copy(ctx context.Context, from, to string) error
	Precreate(ctx context.Context, req remote.PrecreateRequest) (remote.Precreated, error)
	UploadPart(ctx context.Context, req remote.PartRequest) (md5 string, err error)
	Create(ctx context.Context, req remote.CreateRequest) (remote.Entry, error)
	OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error)
	Changes(ctx context.Context, cursor string) (remote.Changes, error)
	Bin(ctx context.Context) iter.Seq2[[]remote.Binned, error]
	Quota(ctx context.Context) (remote.Quota, error)
}

// Answer is what came of one question.
type Answer struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Where    string `json:"where"`    // in docs/protocol.md
	Expected string `json:"expected"` // what we act on
	Got      string `json:"got"`
	Same     bool   `json:"same"`
	Failed   bool   `json:"failed,omitempty"`  // it could not be asked; Got says why
	Setting  string `json:"setting,omitempty"` // what to change where it is not the same; "" when there is no such setting
}

// Probe asks one account.
type Probe struct {
	Service  Service
	Dialects map[string]Service // by the name of the dialect they are bound to
	Dir      string             // directory of the drive that exists; another is made in it
	Rand     *rand.Rand
	Now      func() time.Time

	root  string
	files int
}

// question is one of them. ask returns what the service does, to be compared with expected.
type question struct {
	id, text, where, expected, setting string
	ask                                func(ctx context.Context, p *Probe) (string, error)
}

// Cost is about what Run costs.
func Cost() (calls int, bytes int64) { return 5 * len(questions), 2*largeFile + 2*rapidFile }

// cleanTime bounds the removal of the directory.
const cleanTime = 30 * time.Second

// Run asks everything and calls note with each answer. left is the directory that could not be removed, "" when it is gone. The error is
// about the whole: nothing can be asked.
func (p *Probe) Run(ctx context.Context, note func(Answer)) (left string, err error) {
	p.root = path.Join(p.Dir, fmt.Sprintf("teraboxfs-doctor-%08x", p.Rand.Uint32()))
	if _, err := p.Service.Mkdir(ctx, p.root); err != nil {
		return "", err
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if p.Service.Remove(clean, p.root) != nil {
			left = p.root
		}
	}()
	for _, q := range questions {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		a := Answer{ID: q.id, Question: q.text, Where: q.where, Expected: q.expected}
		a.Got, err = q.ask(ctx, p)
		if err != nil {
			a.Got, a.Failed = "not known: "+kindOf(err), true
		}
		if a.Same = a.Got == a.Expected; !a.Same {
			a.Setting = q.setting
		}
		note(a)
	}
	return "", ctx.Err()
}

// kindOf is an error without names: its kind and number.
func kindOf(err error) string {
	var e *remote.Error
	if errors.As(err, &e) {
		text := e.Kind.Error()
		if e.Errno != 0 {
			text += fmt.Sprintf(" (errno %d)", e.Errno)
		}
		return text
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return "an error of its own kind"
}

// at is a path in the directory.
func (p *Probe) at(name string) string { return path.Join(p.root, name) }

// fresh is a path that nothing is at.
func (p *Probe) fresh() string {
	p.files++
	return p.at(fmt.Sprintf("file%03d", p.files))
}

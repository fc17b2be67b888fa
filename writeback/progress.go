package writeback

import (
	"errors"
	iofs "io/fs"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/checked"
)

const (
	progressMagic = "TBFSWP1"
	progressEvery = time.Second
)

// progress is an upload that did not become a file yet: what was sent need not be sent again. On disk it is a hint: when it is lost
// or the service has forgotten the upload, another one is begun.
type progress struct {
	Path     string `json:"path"`
	MD5      string `json:"md5"` // of the list of the parts' digests: another content has another
	UploadID string `json:"upload_id"`
	Need     []int  `json:"need"` // parts that the service asked for
	Sent     []bool `json:"sent"` // of every part: sent, and its digest compared
}

// fits reports whether p is of the upload that c would begin.
func (p *progress) fits(c *commit) bool {
	if p == nil || p.Path != c.path || p.MD5 != c.md5 || p.UploadID == "" || len(p.Sent) != len(c.m.parts) {
		return false
	}
	return !slices.ContainsFunc(p.Need, func(i int) bool { return i < 0 || i >= len(p.Sent) })
}

// resume has c go on with the upload of an earlier attempt, if there is one that fits. It is tried once.
func (c *commit) resume() bool {
	p := c.earlier
	c.earlier = nil
	if c.force || !p.fits(c) {
		return false
	}
	c.uploadID, c.need, c.sent = p.UploadID, p.Need, slices.Clone(p.Sent)
	return true
}

// progress returns how far the upload has come, nil when there is none to go on with.
func (c *commit) progress() *progress {
	if c.uploadID == "" || c.sent == nil || c.force {
		return nil
	}
	return &progress{Path: c.path, MD5: c.md5, UploadID: c.uploadID, Need: c.need, Sent: slices.Clone(c.sent)}
}

// partSent marks part i and, now and then, has note keep the progress.
func (c *commit) partSent(i int) {
	c.mu.Lock()
	c.sent[i] = true
	now := c.store.cfg.Now()
	var p *progress
	if c.note != nil && now.Sub(c.noted) >= progressEvery {
		c.noted, p = now, c.progress()
	}
	c.mu.Unlock()
	if p != nil {
		c.note(p)
	}
}

// noteProgress writes p beside the staging file of a saved file.
func (f *File) noteProgress(p *progress) {
	f.mu.RLock()
	saved, name := f.saved != nil, f.name+progressSuffix
	f.mu.RUnlock()
	if !saved {
		return
	}
	if err := f.store.writeProgress(name, p); err != nil {
		f.store.cfg.Log.Debug("progress of an upload not kept", "path", p.Path, "err", err)
	}
}

func (s *Store) writeProgress(name string, p *progress) error {
	data, err := checked.Encode(progressMagic, p)
	if err != nil {
		return err
	}
	if err := s.disk.Remove(name); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	f, err := s.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Close())
}

// readProgress returns what lies beside the staging file called name, nil when that is nothing of use.
func (s *Store) readProgress(name string) *progress {
	data, err := s.readSmall(name + progressSuffix)
	if err != nil {
		return nil
	}
	p := new(progress)
	if checked.Decode(progressMagic, data, p) != nil {
		return nil
	}
	return p
}

package main

import (
	"encoding/json"
	"os"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Status implements control.Daemon.
func (m *mounted) Status() control.Status { return m.statusOf(m.session, m.fs) }

// statusOf is Status while neither session nor fs may be there yet.
func (m *mounted) statusOf(sess *session, f *fs.FS) control.Status {
	s := control.Status{
		ID: control.ID(m.dir), Mountpoint: m.dir, Source: sess.name, Root: sess.root, Account: sess.login,
		PID: os.Getpid(), Started: m.started, ReadOnly: m.readOnly(), Version: versionText(),
		Pending: []control.Pending{},
	}
	for _, p := range f.Pending() {
		line := control.Pending{Path: p.Path, Bytes: p.Bytes, Sent: p.Sent, State: p.State, Err: p.Err, Kept: p.Kept}
		if !p.NextTry.IsZero() {
			line.NextTry = &p.NextTry
		}
		s.Pending = append(s.Pending, line)
	}
	s.Conflicts = f.Conflicts()
	names, feed, heard := f.Known()
	if s.Known = (control.Known{Names: names, Feed: feed}); !heard.IsZero() {
		s.Known.Heard = &heard
	}
	if sess.standing != nil {
		s.State = sess.standing.state()
	}
	if m.page != nil {
		s.Page = m.page.Place()
	}
	if m.sampler != nil {
		if s.Now = nowOf(m.sampler.samples(control.SamplesRequest{}), s.State); s.Now != nil {
			s.Now.DiskLimit = m.cache.Stats().Disk.Limit
		}
	}
	if sess.pace != nil {
		s.Pace = sess.pace()
	}
	if m.staging != nil {
		u := m.staging.Usage()
		s.Staging = &control.Staging{Used: u.Used, Limit: u.Limit, Waiting: u.Waiting, Paused: f.Paused()}
		for _, why := range f.PausedFor() {
			s.Staging.PausedFor = append(s.Staging.PausedFor, string(why))
		}
	}
	return s
}

// reports are the files of the mount's directory of reports: what the control socket says.
func (m *mounted) reports(sess *session) []fs.Report {
	text := func(of func(control.Status) any) func(*fs.FS) []byte {
		return func(f *fs.FS) []byte {
			out, err := json.MarshalIndent(of(m.statusOf(sess, f)), "", "  ")
			if err != nil {
				panic(err) // the types of control are all of kinds that JSON has
			}
			return append(out, '\n')
		}
	}
	return []fs.Report{
		{Name: "queue.json", Text: text(func(s control.Status) any { return s.Queue() })},
		{Name: "status.json", Text: text(func(s control.Status) any { return s })},
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"time"

	"github.com/teraboxfs/teraboxfs/probe"
	"github.com/teraboxfs/teraboxfs/remote"
)

// liveReport is what --live says, as JSON.
type liveReport struct {
	Version string         `json:"version"`
	System  string         `json:"system"`
	Asked   string         `json:"asked"` // day
	Region  string         `json:"region,omitempty"`
	Plan    string         `json:"plan"`
	Answers []probe.Answer `json:"answers"`
}

// doctorLive asks the service and prints a report.
func (a *app) doctorLive(ctx context.Context, dir string, yes bool) error {
	f, paths, err := a.onDrive(ctx, "doctor", dir)
	if err != nil {
		return fail("doctor", dir, err)
	}
	defer f.close()
	dir = path.Clean(paths[0])
	if e, err := farLook(ctx, f.drive, dir); err != nil || !e.IsDir {
		return fail("doctor", dir, errors.Join(err, errorIf(err == nil, errNoDirectory)))
	}
	calls, bytes := probe.Cost()
	if !yes {
		err := a.confirm("doctor", fmt.Sprintf("about %d calls and %s sent, in a directory below %s that is removed again, some of it to the recycle bin. Go on?", calls, bytesText(bytes), dir))
		if err != nil {
			return fail("doctor", dir, err)
		}
	}
	dialects, done, err := a.dialects(f)
	if err != nil {
		return fail("doctor", dir, err)
	}
	defer done()
	p := &probe.Probe{Service: f.drive.Client, Dialects: dialects, Dir: dir, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Now: time.Now}
	report := liveReport{Version: versionText(), System: runtime.GOOS + "/" + runtime.GOARCH, Asked: time.Now().UTC().Format(time.DateOnly), Plan: newIdentity(credential{}, f.account).Plan}
	if !a.json {
		fmt.Fprintf(a.out, "teraboxfs %s on %s, asked %s, plan %s\n", report.Version, report.System, report.Asked, report.Plan)
	}
	others := 0
	left, err := p.Run(ctx, func(answer probe.Answer) {
		report.Answers = append(report.Answers, answer)
		if !answer.Same {
			others++
		}
		if !a.json {
			a.printAnswer(answer)
		}
	})
	if left != "" {
		a.say(a.err, "%s could not be removed; 'teraboxfs rm -r %s' does", left, left)
	}
	if err != nil {
		return fail("doctor", dir, err)
	}
	if a.json {
		return a.printJSON(report)
	}
	fmt.Fprintf(a.out, "%d of %d answers are as expected\n", len(report.Answers)-others, len(report.Answers))
	if others > 0 {
		a.say(a.err, "please report what is marked with !; where a setting is named, it helps at once")
	}
	return nil
}

var errNoDirectory = errors.New("it is no directory")

func (a *app) printAnswer(answer probe.Answer) {
	mark := " "
	if !answer.Same {
		mark = "!"
	}
	fmt.Fprintf(a.out, "%s %-14s %s\n                 %s", mark, answer.ID, answer.Question, answer.Got)
	if !answer.Same {
		fmt.Fprintf(a.out, "; expected: %s (protocol.md %s)", answer.Expected, answer.Where)
		switch {
		case answer.Setting != "":
			fmt.Fprintf(a.out, "; set %s", answer.Setting)
		case !answer.Failed:
			fmt.Fprint(a.out, "; there is no setting for it")
		}
	}
	fmt.Fprintln(a.out)
}

// dialects makes a client of the account for each spelling of the upload calls.
func (a *app) dialects(f *far) (all map[string]probe.Service, done func(), err error) {
	cred, err := a.credential(f.login)
	if err != nil {
		return nil, nil, err
	}
	all = map[string]probe.Service{}
	var clients []*remote.Client
	done = func() {
		for _, c := range clients {
			c.Close()
		}
	}
	configured := a.dialect.value
	defer func() { a.dialect.value = configured }()
	for _, name := range []string{"xpan", "web"} {
		a.dialect.value = name
		c, err := a.newClient(cred, nil)
		if err != nil {
			done()
			return nil, nil, err
		}
		all[name], clients = c, append(clients, c)
	}
	return all, done, nil
}

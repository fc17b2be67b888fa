package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ErrGone is returned when no daemon answers at a socket.
var ErrGone = errors.New("no daemon answers")

// answerTime bounds how long a daemon may take to say how it is; it answers from memory.
const answerTime = 5 * time.Second

// Client speaks to one daemon.
type Client struct {
	path string
	http *http.Client
	pid  int
}

// Open reaches the daemon with this id in dir. It returns ErrGone when there is none.
func Open(dir, id string) (*Client, error) {
	if err := checkDir(dir); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = ErrGone
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return open(filepath.Join(dir, id+".sock"))
}

func open(path string) (*Client, error) {
	conn, err := net.DialTimeout("unix", path, answerTime)
	if err != nil {
		return nil, fmt.Errorf("control socket %q: %w", path, ErrGone)
	}
	defer conn.Close()
	peer, err := peerOf(conn.(*net.UnixConn))
	if err != nil {
		return nil, fmt.Errorf("control socket %q: %w", path, err)
	}
	if peer.uid != os.Geteuid() {
		return nil, fmt.Errorf("control socket %q: user %d answers: %w", path, peer.uid, ErrForeignDir)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	return &Client{path: path, http: &http.Client{Transport: transport}, pid: peer.pid}, nil
}

// PID is the process of the daemon, as the kernel names it here.
func (c *Client) PID() int { return c.pid }

// Status asks the daemon how it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var status Status
	body, err := c.do(ctx, http.MethodGet, "/v1/status")
	if err != nil {
		return status, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&status); err != nil {
		return status, fmt.Errorf("control socket %q: status: %w", c.path, err)
	}
	return status, nil
}

// Drain waits until nothing is pending and calls report with every line of progress, from this
// goroutine. The last progress has Done set; Files and Err in it say what is left. An error means
// that the daemon was lost before it said so, or that ctx is done; the uploads go on then.
func (c *Client) Drain(ctx context.Context, report func(Progress)) (Progress, error) {
	body, err := c.do(ctx, http.MethodPost, "/v1/drain")
	if err != nil {
		return Progress{}, err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var p Progress
		if err := lines.Decode(&p); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return p, fmt.Errorf("control socket %q: drain: %w", c.path, err)
		}
		report(p)
		if p.Done {
			return p, nil
		}
	}
}

func (c *Client) do(ctx context.Context, method, route string) (io.ReadCloser, error) {
	return c.send(ctx, method, route, nil)
}

// send is do with a JSON body, if v is not nil.
func (c *Client) send(ctx context.Context, method, route string, v any) (io.ReadCloser, error) {
	var body io.Reader = http.NoBody
	if v != nil {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://teraboxfs"+route, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil {
		err = ErrGone // it was there when this client was made
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %q: %w", c.path, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("control socket %q: %s: HTTP %d", c.path, route, resp.StatusCode)
	}
	return resp.Body, nil
}

// List returns the status of every daemon in dir that answers.
func List(ctx context.Context, dir string) ([]Status, error) {
	paths, err := sockets(dir)
	if err != nil {
		return nil, fmt.Errorf("control sockets: %w", err)
	}
	var all []Status
	for _, path := range paths {
		c, err := open(path)
		if err != nil {
			continue // left by a process that was killed; the next mount there replaces it
		}
		status, err := c.Status(ctx)
		if err != nil {
			continue // ending right now
		}
		if pid := c.PID(); pid != 0 {
			status.PID = pid
		}
		all = append(all, status)
	}
	return all, nil
}

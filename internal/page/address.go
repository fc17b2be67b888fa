package page

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Address is where the page is served: nowhere, at a port of this machine, or at a Unix socket.
type Address struct {
	TCP  netip.AddrPort // loopback; not valid: not there
	Unix string         // path of the socket; "": not there
}

// Off reports whether there is no page.
func (a Address) Off() bool { return !a.TCP.IsValid() && a.Unix == "" }

// String is what ParseAddress reads.
func (a Address) String() string {
	switch {
	case a.Unix != "":
		return "unix:" + a.Unix
	case a.TCP.IsValid():
		return a.TCP.String()
	}
	return "off"
}

// ParseAddress reads "off", "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT" or "unix:PATH". Port 0 is any that is free. An address that other machines
// could reach is an error.
func ParseAddress(text string) (Address, error) {
	if text == "off" || text == "" {
		return Address{}, nil
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" {
			return Address{}, errors.New("unix: needs the path of a socket")
		}
		return Address{Unix: path}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not off, 127.0.0.1:PORT or unix:PATH", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() || ip.Zone() != "" {
		return Address{}, fmt.Errorf("%q can be reached from elsewhere: the page is for this machine alone, as 127.0.0.1:PORT or unix:PATH", text)
	}
	return Address{TCP: netip.AddrPortFrom(ip.Unmap(), uint16(n))}, nil
}

// listen begins to listen.
func (a Address) listen() (net.Listener, error) {
	if a.Unix != "" {
		return listenUnix(a.Unix)
	}
	return net.Listen("tcp", a.TCP.String())
}

// listenUnix makes a socket that is 0600 at every moment: it comes to be in a directory of its own, whatever the umask is, and is moved
// to its place. A socket there that nobody listens at is replaced; anything else is an error.
func listenUnix(path string) (net.Listener, error) {
	if err := clearStale(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".page-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it will not be there
	if err := errors.Join(os.Chmod(at, 0o600), os.Rename(at, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return movedListener{l, path}, nil
}

// movedListener removes the socket at the place where it was put.
type movedListener struct {
	net.Listener
	path string
}

// Close implements net.Listener.
func (l movedListener) Close() error { return errors.Join(l.Listener.Close(), os.Remove(l.path)) }

func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is there and no socket", path)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return fmt.Errorf("%s: %w", path, errTaken)
	}
	return os.Remove(path)
}

// errTaken is returned for a socket that somebody listens at.
var errTaken = errors.New("another program answers there")

package control

import "net"

// peer is who listens at the other end of a socket.
type peer struct{ pid, uid int }

// peerOf asks the kernel who that is.
func peerOf(conn *net.UnixConn) (peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var p peer
	var peerErr error
	if err := raw.Control(func(fd uintptr) { p, peerErr = peerOfSocket(int(fd)) }); err != nil {
		return peer{}, err
	}
	return p, peerErr
}

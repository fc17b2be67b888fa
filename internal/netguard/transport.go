package netguard

import (
	"net/http"
	"time"
)

// Kind is what a transport carries.
type Kind int

const (
	API  Kind = iota // many small answers: HTTP/2 where the server has it
	Data             // few long bodies: HTTP/1.1 only
)

// NewTransport returns a transport that connects only where the policy allows, with at most
// conns connections to one host (0: no limit). It has no overall timeout; the caller watches for
// progress or bounds the request by its context. The caller owns the transport, may adjust it
// before its first use, and closes its idle connections in the end.
//
// Data stays on HTTP/1.1: in Go one HTTP/2 stream moves a quarter of what an HTTP/1.1 connection
// does, and parallel ranges would share a single connection. It does not ask for compression,
// which would hide the length of a range.
func (p *Policy) NewTransport(kind Kind, conns int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  nil, // the far end's address would go unchecked
		DialContext:            p.DialContext,
		Protocols:              protocols,
		MaxConnsPerHost:        conns,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
	switch kind {
	case Data:
		t.DisableCompression = true
		t.ReadBufferSize = 16 << 10 // less than a grain: what is larger is read past it, straight to where it belongs
		t.WriteBufferSize = 64 << 10
		t.ResponseHeaderTimeout = 20 * time.Second
	default:
		protocols.SetHTTP2(true)
		t.ResponseHeaderTimeout = 30 * time.Second
	}
	return t
}

package main

import (
	"net/http"

	"github.com/teraboxfs/teraboxfs/internal/httptrace"
)

// watched returns what writes the exchanges of a transport down (--trace-http); nil when nobody wants that.
func (a *app) watched() (func(http.RoundTripper) http.RoundTripper, error) {
	if a.traceHTTP == "" {
		return nil, nil
	}
	if a.trace == nil {
		trace, err := httptrace.Open(a.traceHTTP)
		if err != nil {
			return nil, usage("setting", "--trace-http", "give a file in a directory that you can write to; chmod 600 one that others can read", "%w", err)
		}
		a.trace = trace
	}
	return a.trace.Wrap, nil
}

// endTrace closes the file of --trace-http.
func (a *app) endTrace() {
	if a.trace == nil {
		return
	}
	if err := a.trace.Close(); err != nil {
		a.log.Warn("the transcript may lack its end", "file", a.traceHTTP, "err", err)
	}
}

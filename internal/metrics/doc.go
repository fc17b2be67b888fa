// Package metrics shows figures of a mount to monitoring, over HTTP: /metrics in Prometheus' text format, /healthz and /readyz. It may be
// reached from other machines, so it has no names of files or programs, nothing can be changed through it, and all it takes is GET and HEAD.
//
// cmd/teraboxfs listens as soon as it knows the address and names a Source when there is a mount. The server's goroutines end with
// Close, but for one that asks a mount which does not answer: that ends with the answer, and there is never a second.
//
// The text is written here and not by prometheus/client_golang: that brings nine more modules, protobuf among them, into a program that has
// all its counts already, in histograms of its own.
package metrics

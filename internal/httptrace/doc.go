// Package httptrace writes transcripts of HTTP exchanges that can be put into a bug report: what was asked and answered, how long it took, and nothing
// that opens an account.
//
// # What is left out
//
// Headers, parameters and JSON fields are shown by name; the values only of those known to be harmless (allowed.go). Whatever was left out once by its name
// is left out wherever it comes again, in plain, query-escaped, JSON-escaped or base64 form. Of bodies that are not JSON, of parts and of
// data only the length is told. Paths and names of files are shown.
//
// # Callers, locks and goroutines
//
// cmd/teraboxfs opens a Log for --trace-http and wraps the transports of remote and remote/teraboxdl with it. A mutex orders the entries; there
// are no goroutines.
package httptrace

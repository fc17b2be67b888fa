// Package shares keeps what a user has saved of share links: a name for each, what it was resolved to,
// and a ledger of the link service's daily allowance. What is kept survives restarts, so that a share
// is paid for once and not with every mount.
//
// # Vocabulary
//
// A saved share has a name, which is its directory's, and the key of its link, of which there is one
// whatever the link's spelling. Resolved is what the service said last: the files and their links.
//
// # Callers, locks, goroutines
//
// cmd/teraboxfs adapts it to the client of the link service; it knows no network. Several processes
// use one directory: a change holds an flock on the file lock, a reader sees the old or the new
// file. There are no goroutines. Formats are in docs/formats.md.
package shares

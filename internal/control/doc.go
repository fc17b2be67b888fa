// Package control is how the commands of one user speak to that user's running mounts: HTTP and JSON
// over a unix socket, one socket a mount.
//
// # Vocabulary
//
// A daemon is a process that serves a mount; its id names the socket, <id>.sock, and follows from the
// mount point. Pending is what was written to the mount and is not on the drive yet. To drain is to
// wait until nothing is pending.
//
// # Routes
//
//	GET  /v1/status   Status
//	POST /v1/drain    Progress, one JSON value a line, until Done; leaving ends the wait, not the uploads
//	POST /v1/queue    QueueRequest; QueueLine, one JSON value a line, until Done
//	POST /v1/cache    CacheRequest; CacheLine, likewise
//	POST /v1/info     PathRequest; PathInfo or a Refusal
//	POST /v1/set      SetRequest; SetResult or a Refusal
//	POST /v1/refresh  PathRequest; Refreshed or a Refusal
//
// # Trust
//
// The directory is 0700 and the socket 0600, both checked and not only asked for: a directory of
// somebody else is refused, because whoever owns it can answer in our name. A client looks at the
// credentials of its peer too, and takes the process id from there.
//
// # Callers, locks and goroutines
//
// cmd/teraboxfs serves (Listen) and asks (Open, List). A Server has one goroutine that accepts, and net/http's
// own for each connection; Close ends them all and waits. There are no locks. The package knows
// nothing of FUSE or of the drive: a Daemon answers.
package control

// Package integration holds the acceptance tests of teraboxfs: the real binary, run as subprocesses, with real mounts.
//
// The tests are written from the specification (docs/semantics.md, docs/protocol.md, the command line's contract) and know
// nothing of the rooms inside: they see a directory, an exit code, two streams of text, and the service's side through the
// emulator's admin routes or through the public protocol.
//
// # Vocabulary
//
// An emulator is a `teraboxfs emulator` process with a data directory of its own. A home is everything a user of the machine
// has: the XDG directories and the secrets in the environment; two mounts with two homes are two machines. A mount is a
// foreground `teraboxfs mount` process. A viewer is a second mount of the same drive, with a home of its own and every
// caching time 0: what it shows is what the service has.
//
// # Rules for a test
//
//   - Nothing is left behind: startEmulator and mount register their own end, which kills and lazily unmounts where asking
//     did not help. TestMain looks at the mount table once more.
//   - No wait is unbounded. Conditions are polled by eventually; a mount has a lifetime, after which it is killed, so that a
//     system call stuck in it comes back with ENOTCONN instead of hanging the run.
//   - A daemon that printed a race report, a panic or a secret fails the test that owned it, whatever else happened.
//   - Faults are data: a failing test prints the rules that were in force.
//
// Without the race detector and with it are the same tests; only the tests of memory build a binary without it. -short makes
// sizes and counts smaller. TERABOXFS_FULL=1 copies the whole Go source tree instead of a part.
package integration

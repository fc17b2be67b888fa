// Command teraboxfs mounts a TeraBox drive as a directory.
//
// One file holds one command. Four files are shared by all of them: config.go is the only reader of
// flags, environment and files and knows which of them wins; settings.go is the table of what can be
// set; exit.go turns an error into one line, a hint and the exit code of the contract; wire.go
// joins the rooms (remote, blockcache, writeback, fs) and is the only file that knows them all.
//
// # Vocabulary
//
// A setting is one row of the settings table: a flag, an environment variable, a TOML key and a -o
// option at once. A source is what is mounted: the drive of an account, a share link, or the
// emulator in this process. A session is a source that was reached and logged in to. A mount's id
// names its control socket and its staging directory; it is derived from the mount point.
//
// # Life of a mount
//
// The mount point and the system are looked at first, because that costs nothing; then the source is
// reached and its root listed, so that a wrong cookie is an exit code and not a directory full of
// errors; the kernel is asked last. From then on the process waits for the first of three ends: somebody
// unmounts, SIGTERM, SIGINT. Each drains what is not yet on the drive, for a bounded time. With
// --daemon the same code runs in a second process of its own session, and the first one only waits
// for the line that says how it went.
//
// # Locks and goroutines
//
// Commands run on one goroutine. The control socket's server (internal/control) and the emulator own
// theirs and end them in Close; serve.go starts one that waits for the kernel to let go of the mount and
// joins it before it returns. There are no locks here.
package main

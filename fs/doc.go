// Package fs shows a drive as a directory tree: the only room that speaks FUSE and errno.
//
// # Vocabulary
//
// An inode is a file or directory as this mount knows it; it outlives the kernel's interest in
// it (FORGET) and is found by name in its parent's children. A node (dirNode, fileNode) is the
// thin go-fuse object around an inode, made anew whenever the kernel asks. A handle is one open
// file. The content of a file is its committed version on the service and, while it is being
// changed, a staged copy (writeback.File) that wins over it. A listing is the snapshot of one
// directory; what this mount created, renamed or deleted lately wins over a listing that lags.
// An aside is a file that was unlinked or replaced while open: it waits on the service under a
// name of its own until the last handle closes. A local entry is one whose name makes it stay on
// this machine; a report is a file in which the mount tells of itself.
//
// # Who calls it
//
// cmd/teraboxfs calls Mount, Drain and Unmount and gives the rooms below through Options. The
// package asks Drive for metadata, blockcache for committed bytes and writeback for staged ones.
//
// # Reading the source
//
// dir.go and file.go hold the operations on nodes, handle.go and dirhandle.go those on open
// files and directories; inode.go is the tree; listing.go keeps it in step with the service, listflight.go asks, snapshot.go shows;
// content.go is the life of a file's bytes; rename.go and unlink.go change names; commit.go
// sends content and retry.go sends it again; sleep.go ends what waits before the machine sleeps; localonly.go and localnode.go are what is never sent,
// account.go asks whether sending makes sense, notes.go tells of what happened, reports.go what is only told; errno.go is the one place that turns errors into
// numbers.
//
// # Locks, outermost first
//
//  1. FS.paths: who may change what is at a path. Held over the network by commits and by
//     changes of names; two holders conflict when one path is the other or above it.
//  2. content.token: one commit of a file at a time. Held over the network.
//  3. localOnly.mu: where the local entries are. Held over this machine's disk.
//  4. FS.savingTree: listings are being stored. Held over this machine's disk.
//  5. FS.tree.mu: names, parents and listings. Never held over the network.
//  6. content.mu: one file's state. Never held over the network.
//
// Under all of them are leaves: files.mu, feed.mu, walkAhead.mu, statters.mu, uploads.mu, dirtySet.mu, nap.mu.
//
// # Goroutines
//
// FS owns them all: one for each commit under way (commit.go), one that tries failed commits
// again (retry.go), one for each refresh of the quota (statfs.go), listings (listflight.go), one while deleted
// files are to leave the recycle bin (purge.go), one while unlinked files are to be deleted (deletes.go), those that send files nobody
// waits for (uploads.go), one that follows what others change (feed.go), one that stores listings (stored.go), one that forgets
// them (evict.go). They run on the context that Unmount cancels, and FS.Wait
// returns after the last has ended.
// A FUSE request's context only stops that caller's waiting.
package fs

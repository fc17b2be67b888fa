// Package writeback holds what was written and is not yet on the drive, and commits it.
//
// A File is the staged content of one file: a sparse file in the staging directory that starts
// from nothing or from the committed content (its Base). Commit sends it: an upload of parts, of
// which only those the service asks for travel, turned into a file by one call and then verified.
//
// # Vocabulary
//
//   - block: 4 MiB of a file, the unit of staging. A block is staged (its bytes are in the
//     staging file) or absent (its bytes are those of the base, and zeros beyond the base).
//   - part: the unit of an upload. A part is one block up to 4 GiB and a run of blocks beyond
//     (remote.PartSize).
//   - record: what the journal has of a file whose content is promised to be sent, whatever happens
//     to the process or the machine (Save).
//   - seal: fix the content and complete the digests, at the start of a commit.
//   - claim: the service's word that it holds a part which was not sent to it. It is believed only
//     after bytes were read back.
//   - conflict copy: our content, committed under another name because the path holds something
//     that this content was not made from.
//
// # Callers
//
// fs writes into Files, commits them and feeds the committed bytes to the read cache. cmd joins a
// remote.Client as the Uploader. Only value types and sentinels of remote are used here.
//
// # Locks and goroutines
//
// A File has a gate and a mutex. The gate is held by whoever changes the content or commits it,
// also over the network: writes, truncates and Close wait for a running commit, and their ctx ends
// the wait. A second gate, still, is held by whoever changes the content or its record, and by a commit only at its end,
// so that Save need not wait for a commit. The mutex guards the block table for readers and is never held over
// the network, so reads go on during a commit. The order is gate, still, File.mu, space.mu; Store.mu is taken with
// neither File.mu nor space.mu held.
//
// Goroutines exist only inside Commit and Save: errgroups for hashing and for the parts, a sync beside another, all ended
// before these return. Parts in flight are bounded over all files by Config.Parts.
//
// # The commit as a state machine
//
//	open -> sealed -> precreated -> uploaded -> created -> verified
//
// Each state is a value of type state and each arrow one method (commit.go). An expired upload, a
// missing part, a claim that proves false and a conflict go back to sealed, a bounded number of
// times.
//
// # The journal
//
// Save makes the content and its target durable; the next process finds both in Pending and goes on with Resume, at the part
// reached. The files and their order are in docs/formats.md. Commit alone syncs nothing: its promise is the service. A
// staging file without a record was still being written when its process died; it is moved to the recovered directory, where a
// person can find it.
//
// # What it leaves to others
//
// Transport faults and pacing are retried in remote. Names, inodes and the choice of when to save and to commit are fs's.
package writeback

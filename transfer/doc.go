// Package transfer copies files between a drive and this machine without a mount, and compares them.
//
// # Vocabulary
//
// A tree is what is below one path, here or on the drive. An item is one file or directory of it; its outcome is what became of it. A chunk is
// what one ranged GET brings; a partial file has the chunks that have come so far, under a temporary name beside its place, and ends
// with a note of which they are.
//
// # Callers and what they are promised
//
// cmd/teraboxfs makes an Engine for one command. Its methods walk a tree while the files found so far are on their way, a bounded
// number at a time, so that memory does not depend on how many there are. A file that fails is an outcome and stops no other; what ends the
// whole is an error. Nothing appears under its name before it is complete and compared: what comes is renamed into place, what goes is
// committed by writeback.Sender.
//
// # Goroutines and locks
//
// A method's goroutines end before it returns. Outcomes are reported by one goroutine at a time. Progress has a mutex of its own, a leaf.
package transfer

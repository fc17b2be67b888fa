// Package probe asks a real account how the service answers what docs/protocol.md leaves open, and measures what its link brings.
//
// # Vocabulary
//
// A question is one thing that sources contradict each other about, or that nobody has written down. What we expect is what the
// rest of this program acts on. An answer is what the service does, and whether that is as expected; the setting is what a user can change where
// it is not, if there is one.
//
// # Callers and what they are promised
//
// cmd/teraboxfs makes a Probe for `doctor --live`. It works inside one directory that it makes, and removes it in the end, also when it is
// interrupted. It asks one thing after another, so that what it causes can be told apart. Answers name no file, account or address of the
// user's. There are no goroutines but those of one question, and no locks.
package probe

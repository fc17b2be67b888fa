// Package events is what a mount tells others of: changes that inotify never sees, uploads that failed, how the account is.
//
// # Vocabulary
//
// An Event is one thing that happened, complete and without a secret: its JSON form is a promise to users (docs/semantics.md#events).
// The Bus hands every event to its subscribers, none of whom can hold it up: what a subscriber does not take in time is counted and
// lost to it. A Grouper makes one event out of the changes of a directory. A sink is a subscriber that tells somebody outside: a
// command or a URL.
//
// # Who calls it
//
// cmd/teraboxfs makes a Bus for a mount, publishes what fs and remote tell it, and starts the sinks.
//
// # Locks and goroutines
//
// Bus.mu and Grouper.mu are leaves. Timers of a Grouper end with its Close. Feed runs on a goroutine of its caller's, and returns when the
// events end.
package events

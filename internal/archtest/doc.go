// Package archtest holds the module to its walls: its test fails when a room imports what the
// architecture forbids (docs/architecture.md). It has no code of its own.
package archtest

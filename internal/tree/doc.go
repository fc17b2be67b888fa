// Package tree keeps directory listings on disk, so that a mount that starts again knows the drive at once, and without a network. It
// is a cache in one bbolt file (docs/formats.md): whoever uses it says how far to believe it.
package tree

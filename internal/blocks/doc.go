// Package blocks is the arithmetic between byte offsets in a file and the equal units a file is
// cut into: 1 MiB cache blocks and 128 KiB grains in blockcache, 4 MiB staging blocks and upload
// parts in writeback.
//
// # Vocabulary
//
//   - Span: a half-open range of bytes [Off, Off+Len) of a file.
//   - Size: the length in bytes of a unit. Unit i holds the bytes [i*Size, (i+1)*Size); the last
//     unit of a file ends with the file and may be shorter.
//   - Set: which of up to 64 units are meant, as a bitmap.
//
// Everything here is a pure function of values: no allocation, no locks, no errors. Offsets,
// lengths and file sizes are never negative and never sum to more than the largest int64;
// Span.Clip is the way in for a span that may not respect that. Who owns which byte, and what is
// present, is the business of the callers.
package blocks

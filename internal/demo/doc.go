// Package demo makes the sample tree of the demo drive: real files of the kinds people keep (text,
// pictures, sound, video), computed and not shipped, the same bytes every time.
//
// Tree lists the files; each makes its bytes when asked, so that listing is cheap. The caller,
// cmd/teraboxfs, puts them on a drive. Everything here is a pure function: no locks, no goroutines,
// no files.
package demo

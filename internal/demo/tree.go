package demo

import (
	"fmt"
	"strings"
	"time"
)

// File is one file of the sample tree.
type File struct {
	Path  string // absolute in the drive
	Mtime time.Time
	Data  func() []byte // makes the whole content anew at each call
}

// Tree lists the files of the sample drive, in the order of their paths' directories.
func Tree() []File {
	files := []File{
		{Path: "/README.txt", Data: text(readme)},
		{Path: "/Documents/notes.md", Data: text(notes)},
		{Path: "/Documents/primes.csv", Data: primesCSV},
		{Path: "/Documents/naïve café ☕.txt", Data: text("Names are UTF-8 and come back as they were written.\n")},
		{Path: "/Music/scale.wav", Data: Scale},
		{Path: "/Pictures/mandelbrot.png", Data: Mandelbrot},
		{Path: "/Pictures/plasma.png", Data: Plasma},
		{Path: "/Pictures/sierpinski.png", Data: Sierpinski},
		{Path: "/Videos/bounce.avi", Data: Bounce},
	}
	day := time.Date(2026, time.March, 1, 9, 30, 0, 0, time.UTC)
	for i := range files {
		files[i].Mtime = day.AddDate(0, 0, 11*i)
	}
	return files
}

func text(s string) func() []byte { return func() []byte { return []byte(s) } }

const readme = `This drive is served by an emulator in the teraboxfs process.

Everything works as on a real drive: copy files in and out, edit them, rename
directories, play the video and jump around in it. The link is slowed down to
80 ms and 8 MiB a second, so that you can feel what is cached and what is not.

Nothing here leaves your machine, and all of it is gone when the demo ends.
`

const notes = `# Notes

- A file is on the drive when close() has returned; cp and rsync wait for it.
- Reading fetches only what is read: look at the first picture without the rest.
- df shows the quota of the drive.
`

// primesCSV is a table of the first thousand primes.
func primesCSV() []byte {
	var b strings.Builder
	b.WriteString("n,prime\n")
	for n, candidate := 0, 2; n < 1000; candidate++ {
		if isPrime(candidate) {
			n++
			fmt.Fprintf(&b, "%d,%d\n", n, candidate)
		}
	}
	return []byte(b.String())
}

func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

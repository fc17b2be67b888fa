package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// What a screen has when it does not say.
const (
	usualWidth  = 80
	usualHeight = 24
)

// screen shows one text after another: in place of the one before on a terminal, else below it.
type screen struct {
	out      io.Writer
	terminal bool
	shown    bool
}

func newScreen(out io.Writer) *screen { return &screen{out: out, terminal: isTerminal(out)} }

// size is how many columns and lines there are.
func (s *screen) size() (width, height int) {
	if f, ok := s.out.(*os.File); ok && s.terminal {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return usualWidth, usualHeight
}

// show shows what draw writes. On a terminal that is cut where the screen ends: a line that wraps would push the others up.
func (s *screen) show(draw func(io.Writer) error) error {
	var text bytes.Buffer
	if err := draw(&text); err != nil {
		return err
	}
	if !s.terminal {
		if s.shown {
			fmt.Fprintln(s.out)
		}
		s.shown = true
		_, err := text.WriteTo(s.out)
		return err
	}
	var frame strings.Builder
	if !s.shown {
		frame.WriteString("\x1b[2J") // all of what was there
	}
	s.shown = true
	frame.WriteString("\x1b[H")
	width, height := s.size()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for _, line := range lines[:min(len(lines), height-1)] {
		frame.WriteString(cut(line, width))
		frame.WriteString("\x1b[K\n")
	}
	frame.WriteString("\x1b[J")
	_, err := io.WriteString(s.out, frame.String())
	return err
}

// cut is a line's first width characters. Lines have no control sequences.
func cut(line string, width int) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), width)])
}

package fs

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Page is a part of what a directory shows, as a person reads it: directories first, then by name without regard to case.
type Page struct {
	Dir     Info
	Entries []Shown
	Total   int    // entries of the directory
	Next    string // where the next page begins; "": this one is the last
}

// Shown is one entry.
type Shown struct {
	Name string
	Info
}

// Browse lists the directory at p, a path in the mount that begins with "/", as a program would see it, and returns at most n entries from
// from on, which is "" or the Next of another page. What comes and goes between two pages moves no other entry from one to the other.
// Errors are those of a lookup; ctx ends the waiting.
func (f *FS) Browse(ctx context.Context, p, from string, n int) (Page, error) {
	dir, err := f.at(ctx, p)
	if err != nil {
		return Page{}, err
	}
	if !dir.isDir() {
		return Page{}, errNotDir
	}
	entries, err := dir.entries(ctx)
	if err != nil {
		return Page{}, err
	}
	rows := placesOf(entries)
	page := Page{Total: len(rows)}
	at, _ := slices.BinarySearchFunc(rows, from, func(r browsed, from string) int { return strings.Compare(r.place, from) })
	end := min(at+n, len(rows))
	for _, r := range rows[at:end] {
		page.Entries = append(page.Entries, Shown{r.name, r.node.info()})
	}
	if end < len(rows) {
		page.Next = rows[end].place
	}
	page.Dir = dir.info()
	return page, nil
}

// browsed is an entry with its place in the order: a text that sorts as it does.
type browsed struct {
	dirEntry
	place string
}

// placesOf returns the entries in the order of a Page.
func placesOf(entries []dirEntry) []browsed {
	rows := make([]browsed, len(entries))
	for i, e := range entries {
		kind := "1"
		if e.node.isDir() {
			kind = "0"
		}
		rows[i] = browsed{e, kind + strings.ToLower(e.name) + "\x00" + e.name}
	}
	slices.SortFunc(rows, func(a, b browsed) int { return cmp.Compare(a.place, b.place) })
	return rows
}

// Command tally runs on the output of go test -json and prints a line for each cell of a table of tests, which is a test without tests of its own, and
// at the end "N passed, M failed, S skipped". It exits with 1 when something failed or nothing ran. What a failed test printed comes before its line.
//
//	go test -json ./test/integration -run TestReadFaults | go run ./test/tally
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// count is what has been seen.
type count struct{ passed, failed, skipped int }

func main() {
	c, err := tally(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
	if c.failed > 0 || c.passed == 0 {
		os.Exit(1)
	}
}

// tally reads events to their end and prints the cells.
func tally(in io.Reader, out io.Writer) (c count, err error) {
	parents, printed := map[string]bool{}, map[string][]string{}
	for lines := json.NewDecoder(in); ; {
		var e event
		switch err := lines.Decode(&e); {
		case err == io.EOF:
			return c, nil
		case err != nil:
			return c, fmt.Errorf("the input is not that of go test -json: %w", err)
		}
		id := e.Package + " " + e.Test
		switch e.Action {
		case "run":
			for at := strings.LastIndexByte(id, '/'); at > len(e.Package); at = strings.LastIndexByte(id[:at], '/') {
				parents[id[:at]] = true
			}
			continue
		case "output", "build-output":
			printed[id] = append(printed[id], e.Output)
			continue
		case "pass", "fail", "skip":
		default:
			continue
		}
		said := printed[id]
		delete(printed, id)
		if e.Action == "fail" {
			fmt.Fprint(out, strings.Join(said, ""))
		}
		leaf := e.Test != "" && !parents[id]
		switch {
		case !leaf && e.Action != "fail":
			continue
		case leaf:
			fmt.Fprintf(out, "%-4s %7.2fs  %s\n", e.Action, e.Elapsed, e.Test)
		}
		switch {
		case e.Action == "pass":
			c.passed++
		case e.Action == "skip":
			c.skipped++
		case leaf || e.Test == "" && c.failed == 0: // a package may fail without a test, as when it does not build
			c.failed++
		}
	}
}

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

func main() {
	into := flag.String("into", "", "file to put the tables into")
	section := flag.String("section", "", "part of the file to replace")
	header := flag.Bool("header", false, "print the line that an output begins with, and nothing else")
	flag.Parse()
	if *header {
		fmt.Println(measured + provenance())
		return
	}
	if err := run(*into, *section, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

// run reads the outputs and prints the tables, or puts them into a section of a file.
func run(into, section string, outputs []string) error {
	var all results
	for _, name := range outputs {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := all.parse(string(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	tables := all.markdown()
	if into == "" {
		fmt.Print(tables)
		return nil
	}
	page, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	page, err = replace(page, section, all.provenance+".\n"+tables)
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	return os.WriteFile(into, page, 0o644)
}

// replace puts text between the two lines that mark a section of a page.
func replace(page []byte, section, text string) ([]byte, error) {
	begin, end := "<!-- "+section+" -->\n", "<!-- /"+section+" -->\n"
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !ok || !ends {
		return nil, fmt.Errorf("no section between %q and %q", begin, end)
	}
	return []byte(string(before) + begin + text + end + string(after)), nil
}

// measured begins the line that says how the figures of an output came about.
const measured = "measured: "

// provenance is when, of what and where figures are taken.
func provenance() string {
	commit := output("git", "describe", "--always", "--dirty")
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			cpu = strings.TrimLeft(line, "\t: ")
		}
	}
	return fmt.Sprintf("%s, commit %s; %s, %d cores, load %s, Linux %s, %s",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), commit, cpu, runtime.NumCPU(), load(), output("uname", "-r"), runtime.Version())
}

// load is how many wanted a processor in the last minute: with more than a few, the figures say little.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

// output is what a command prints, or "unknown".
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the values of every metric, in the order in which the names were first seen.
type results struct {
	provenance string // "" when the output does not say
	groups     []*group
}

// group is what becomes one table.
type group struct {
	name   string
	setups []string
	rows   []*row
}

// row is one metric of one workload.
type row struct {
	workload, metric string
	values           map[string][]float64 // by setup
}

// line matches a result: name, number of runs, values with units. What testing adds to a name that is used again, and the
// number of processors, are no part of it.
var line = regexp.MustCompile(`(?m)^Benchmark(\w+)/(\S+)/([^/\s#]+?)(?:#\d+)?(?:-\d+)?[ \t]+\d+[ \t]+(.*)$`)

// parse adds the output of a `go test -bench`. It returns an error for one that holds a failure or has no end.
func (r *results) parse(text string) error {
	if regexp.MustCompile(`(?m)^\s*(--- )?FAIL\b|^panic: `).MatchString(text) {
		return errors.New("a benchmark failed")
	}
	if !strings.Contains(text, "\nPASS\n") && !strings.HasPrefix(text, "PASS\n") {
		return errors.New("the benchmarks did not come to their end")
	}
	if _, rest, ok := strings.Cut("\n"+text, "\n"+measured); ok {
		r.provenance, _, _ = strings.Cut(rest, "\n")
	}
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		fields := strings.Fields(m[4])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("%q: %w", m[0], err)
			}
			r.add(m[1], strings.ReplaceAll(m[2], "_", " "), m[3], fields[i+1], value)
		}
	}
	return nil
}

func (r *results) add(name, workload, setup, metric string, value float64) {
	i := slices.IndexFunc(r.groups, func(g *group) bool { return g.name == name })
	if i < 0 {
		i = len(r.groups)
		r.groups = append(r.groups, &group{name: name})
	}
	g := r.groups[i]
	if !slices.Contains(g.setups, setup) {
		g.setups = append(g.setups, setup)
	}
	j := slices.IndexFunc(g.rows, func(w *row) bool { return w.workload == workload && w.metric == metric })
	if j < 0 {
		j = len(g.rows)
		g.rows = append(g.rows, &row{workload, metric, map[string][]float64{}})
	}
	g.rows[j].values[setup] = append(g.rows[j].values[setup], value)
}

// markdown returns the tables.
func (r *results) markdown() string {
	var b strings.Builder
	for _, g := range r.groups {
		g.sort()
		peers := slices.ContainsFunc(g.setups, isRclone)
		fmt.Fprintf(&b, "\n**%s**, min / median / max\n\n| workload | metric |", g.name)
		for _, s := range g.setups {
			fmt.Fprintf(&b, " %s |", s)
		}
		if peers {
			b.WriteString(" teraboxfs : rclone, the best of each |")
		}
		b.WriteString("\n" + strings.Repeat("|---", len(g.setups)+2))
		if peers {
			b.WriteString("|---")
		}
		b.WriteString("|\n")
		last := ""
		for _, w := range g.rows {
			shown := w.workload
			if shown == last {
				shown = ""
			}
			last = w.workload
			fmt.Fprintf(&b, "| %s | %s |", shown, w.metric)
			for _, s := range g.setups {
				fmt.Fprintf(&b, " %s |", cell(w.values[s]))
			}
			if peers {
				fmt.Fprintf(&b, " %s |", w.ratio())
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// sort brings the setups of teraboxfs to the front and the rows of each workload together, rates first; otherwise it keeps the
// order in which names were first seen.
func (g *group) sort() {
	slices.SortStableFunc(g.setups, func(a, b string) int { return trueFirst(isOurs(a), isOurs(b)) })
	first := map[string]int{}
	for i, w := range g.rows {
		if _, seen := first[w.workload]; !seen {
			first[w.workload] = i
		}
	}
	slices.SortStableFunc(g.rows, func(a, b *row) int {
		return cmp.Or(first[a.workload]-first[b.workload], trueFirst(isRate(a.metric), isRate(b.metric)))
	})
}

// trueFirst compares for an order in which true comes before false.
func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// cell is the least, the median and the greatest value.
func cell(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return number(slices.Min(values)) + " / **" + number(median(values)) + "** / " + number(slices.Max(values))
}

// number writes three significant digits, or more before the point.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// median returns the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func isRclone(setup string) bool { return strings.HasPrefix(setup, "rclone") }
func isOurs(setup string) bool   { return strings.HasPrefix(setup, "teraboxfs") }

// isRate reports whether more of a metric is better.
func isRate(metric string) bool { return strings.HasSuffix(metric, "/s") || metric == "least-share" }

// ratio is how many times better the best teraboxfs is than the best rclone.
func (w *row) ratio() string {
	ours, theirs := w.best(isOurs), w.best(isRclone)
	if !isRate(w.metric) {
		ours, theirs = theirs, ours
	}
	if ours == 0 || theirs == 0 { // absent, or nothing to divide by
		return ""
	}
	return number(ours/theirs) + "x"
}

// best is the best median among the setups of a kind; 0 if there is none.
func (w *row) best(kind func(string) bool) float64 {
	best, found := 0.0, false
	for setup, values := range w.values {
		if v := median(values); kind(setup) && (!found || (v > best) == isRate(w.metric)) {
			best, found = v, true
		}
	}
	return best
}

package metrics

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/measure"
)

// Text is a page of metrics being written. The zero value is empty.
type Text struct {
	out bytes.Buffer
}

// Value is one value of a metric that has labels.
type Value struct {
	Labels []string // names and values, in turn
	Value  float64
}

// Gauge writes a metric without labels that goes up and down.
func (t *Text) Gauge(name, help string, value float64) { t.Gauges(name, help, Value{Value: value}) }

// Gauges writes a metric that goes up and down; nothing when there are no values.
func (t *Text) Gauges(name, help string, values ...Value) { t.family("gauge", name, help, values) }

// Counter writes a metric without labels that only grows; its name ends in _total.
func (t *Text) Counter(name, help string, value float64) { t.Counters(name, help, Value{Value: value}) }

// Counters writes a metric that only grows; nothing when there are no values.
func (t *Text) Counters(name, help string, values ...Value) {
	if !strings.HasSuffix(name, "_total") {
		panic("metrics: a counter named " + name)
	}
	t.family("counter", name, help, values)
}

func (t *Text) family(kind, name, help string, values []Value) {
	if len(values) == 0 {
		return
	}
	t.head(kind, name, help)
	for _, v := range values {
		t.line(name, v.Labels, v.Value)
	}
}

// bounds are the ends of the histogram's buckets: powers of four, because durations are counted in buckets that end there too.
func bounds() []time.Duration {
	var all []time.Duration
	for d := measure.Unit << 7; len(all) < 10; d <<= 2 { // 131 us to 34 s
		all = append(all, d)
	}
	return all
}

// Histograms writes how long calls took, in seconds, by the label that names them. Rows without calls are left out.
func (t *Text) Histograms(name, help, label string, rows []measure.Totals) {
	t.head("histogram", name, help)
	for _, r := range rows {
		n := r.Took.N()
		if n == 0 {
			continue
		}
		of := []string{label, r.Name}
		for _, end := range bounds() {
			t.line(name+"_bucket", append(of[:2:2], "le", number(end.Seconds())), float64(r.Took.Within(end)))
		}
		t.line(name+"_bucket", append(of[:2:2], "le", "+Inf"), float64(n))
		t.line(name+"_sum", of, r.Took.Sum.Seconds())
		t.line(name+"_count", of, float64(n))
	}
}

func (t *Text) head(kind, name, help string) {
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	fmt.Fprintf(&t.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// line writes a value with labels, which are names and values in turn.
func (t *Text) line(name string, labels []string, value float64) {
	t.out.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		t.out.WriteByte(open)
		fmt.Fprintf(&t.out, `%s="%s"`, labels[i], escaped(labels[i+1]))
	}
	if len(labels) > 0 {
		t.out.WriteByte('}')
	}
	t.out.WriteByte(' ')
	t.out.WriteString(number(value))
	t.out.WriteByte('\n')
}

// escaped is a label's value as the format wants it.
func escaped(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(value, "\uFFFD"))
}

// number is a value without an exponent where that is exact and short.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// String is what has been written.
func (t *Text) String() string { return t.out.String() }

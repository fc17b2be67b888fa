package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/teraboxfs/teraboxfs/remote"
)

// size is a number of bytes as people write it: bare K, M, G and T are binary, as in rclone and
// juicefs; KB, MB and GB are decimal. It is a pflag.Value.
type size int64

// autoSize stands for "auto": the program finds out.
const autoSize size = -1

func (s *size) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	*s = n
	return nil
}

// parseSize reads 0, 512, 64K, 1.5G, 10MiB, 10MB.
func parseSize(text string) (size, error) {
	text = strings.TrimSpace(text)
	if text != "" && strings.ContainsRune("kKmMgGtT", rune(text[len(text)-1])) {
		text += "iB"
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 || strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("%q is not a size like 64M or 1.5G", strings.TrimSuffix(text, "iB"))
	}
	return size(n), nil
}

func (s size) String() string {
	if s == autoSize {
		return "auto"
	}
	for _, unit := range []struct {
		name  string
		bytes size
	}{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}} {
		if s >= unit.bytes && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func (s *size) Type() string { return "size" }

// optionalSize is a size that may be "auto".
type optionalSize struct{ size }

func (s *optionalSize) Set(text string) error {
	if text == "auto" {
		s.size = autoSize
		return nil
	}
	return s.size.Set(text)
}

func (s *optionalSize) Type() string { return "size|auto" }

// bytesOr is the size, or def when it is auto.
func (s optionalSize) bytesOr(def int64) int64 {
	if s.size == autoSize {
		return def
	}
	return int64(s.size)
}

// portion is an amount of a disk: a share of it ("5%") or a size.
type portion struct {
	percent float64 // 0 when bytes say it
	bytes   size
}

func (p *portion) Set(text string) error {
	number, isShare := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !isShare {
		n, err := parseSize(text)
		if err != nil {
			return fmt.Errorf("%q is neither a share like 5%% nor a size like 10G", text)
		}
		*p = portion{bytes: n}
		return nil
	}
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("%q is not a share between 0%% and 100%%", text)
	}
	*p = portion{percent: percent}
	return nil
}

func (p portion) String() string {
	if p.percent > 0 {
		return strconv.FormatFloat(p.percent, 'g', -1, 64) + "%"
	}
	return p.bytes.String()
}

func (p *portion) Type() string { return "size|N%" }

// of is the amount in bytes on a disk of total bytes.
func (p portion) of(total int64) int64 { return int64(p.bytes) + int64(p.percent/100*float64(total)) }

// rate is a pace of API calls: "8/s", "off" or "auto".
type rate struct{ remote.RateLimit }

func (r *rate) Set(text string) (err error) {
	r.RateLimit, err = remote.ParseRateLimit(text)
	return err
}

func (r *rate) Type() string { return "auto|N/s|off" }

// mode is permission bits in octal. Unset, it is left to the umask.
type mode struct {
	bits uint32
	set  bool
}

func (m *mode) Set(text string) error {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is not a mode like 755", text)
	}
	*m = mode{bits: uint32(n), set: true}
	return nil
}

func (m *mode) String() string {
	if !m.set {
		return ""
	}
	return fmt.Sprintf("%03o", m.bits)
}

func (m *mode) Type() string { return "octal" }

// owner is a numeric user or group id. Unset, it is the one of this process.
type owner struct {
	id  uint32
	set bool
}

func (o *owner) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a numeric id", text)
	}
	*o = owner{id: uint32(n), set: true}
	return nil
}

func (o *owner) String() string {
	if !o.set {
		return ""
	}
	return strconv.FormatUint(uint64(o.id), 10)
}

func (o *owner) Type() string { return "id" }

// choice is one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) Set(text string) error {
	if !slices.Contains(c.allowed, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(c.allowed, ", "))
	}
	c.value = text
	return nil
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

// on reports whether a choice of on and off is on.
func (c choice) on() bool { return c.value == "on" }

// bounded is a whole number within limits.
type bounded struct{ value, low, high int }

func (b *bounded) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < b.low || n > b.high {
		return fmt.Errorf("%q is not a number from %d to %d", text, b.low, b.high)
	}
	b.value = n
	return nil
}

func (b *bounded) String() string { return strconv.Itoa(b.value) }

func (b *bounded) Type() string { return "int" }

// age is a length of time up to now, "90m", "2h" or, in days of 24 hours, "30d". Unset, it is none.
type age struct {
	span time.Duration
	text string
	set  bool
}

func (a *age) Set(text string) error {
	span, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		if !(n >= 0 && n < 36500) {
			err = strconv.ErrRange
		}
		span = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || span < 0 {
		return fmt.Errorf("%q is not an age like 2h or 30d", text)
	}
	*a = age{span, text, true}
	return nil
}

func (a *age) String() string { return a.text }

func (a *age) Type() string { return "age" }

// globs are patterns of names, as path.Match has them, between spaces or commas.
type globs []string

func (g *globs) Set(text string) error {
	patterns := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || strings.Contains(p, "/") {
			return fmt.Errorf("%q is not a pattern of names like *.tmp", p)
		}
	}
	*g = patterns
	return nil
}

func (g *globs) String() string { return strings.Join(*g, " ") }

func (g *globs) Type() string { return "globs" }

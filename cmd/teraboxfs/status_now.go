package main

import (
	"fmt"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// nowFields say what a mount does at present and what limits it.
func nowFields(n control.Now) []field {
	rate := func(bytes float64) string { return bytesText(int64(bytes)) + "/s" }
	return []field{
		{"Programs", fmt.Sprintf("%s read, %s written, %s operations/s, %d open", rate(n.Read), rate(n.Written), shortNumber(n.Operations), n.OpenFiles)},
		{"Service", fmt.Sprintf("%s down, %s up, %s requests/s, %s failed/s", rate(n.Fetched), rate(n.Sent), shortNumber(n.Requests), shortNumber(n.Failed))},
		{"Cache", cacheText(n)},
		{"Bottleneck", bottleneckText(n.Bottleneck)},
		{"Plays smoothly", playsText(n.Plays)},
	}
}

// cacheText is how much the cache helps and holds.
func cacheText(n control.Now) string {
	text := "no reads in the last quarter of an hour"
	if n.HitShare != nil {
		text = percent(*n.HitShare) + " of reads did not wait"
	}
	if n.DiskLimit == 0 {
		return text + "; nothing is kept on disk"
	}
	return fmt.Sprintf("%s; %s of %s on disk", text, bytesText(n.DiskUsed), bytesText(n.DiskLimit))
}

// bottleneckText is what limits a mount, in words.
func bottleneckText(b control.Bottleneck) string {
	name := map[string]string{
		control.BottleneckIdle: "none", control.BottleneckThrottle: "the service", control.BottleneckDisk: "the disk",
		control.BottleneckUs: "this machine", control.BottleneckLink: "the link", control.BottleneckPrograms: "the programs",
	}[b.Kind]
	return name + ": " + b.Why
}

// playsText is what bitrate plays without a stop.
func playsText(p *control.Plays) string {
	if p == nil {
		return "not measured yet"
	}
	bitrate := fmt.Sprintf("%.3g Mbit/s", p.BitsPerSecond/1e6)
	if p.AtLeast {
		return fmt.Sprintf("at least %s; the link was not fully used in %d s of fetching", bitrate, p.Seconds)
	}
	return fmt.Sprintf("up to %s, by %d s of full load", bitrate, p.Seconds)
}

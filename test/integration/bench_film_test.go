//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const filmName = "film.mp4"

// addFilm makes a film of about 1 GiB, 100 minutes and 250,000 samples with its index at the end, and puts it on the drive.
// Without ffmpeg it says so, and benchFilm is skipped.
func (d *benchDrive) addFilm(b *testing.B) {
	b.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		fmt.Fprintln(os.Stderr, "no film without ffmpeg: install it with `apt-get install ffmpeg`") // b.Log needs -v
		return
	}
	// Twenty seconds are coded, and repeated without coding them again.
	must(b, d.local, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=20:size=640x360:rate=25",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=20", "-vf", "noise=alls=12:allf=t", "-c:v", "mpeg4", "-b:v", "1350k", "-g", "50",
		"-c:a", "aac", "-b:a", "64k", "short.mp4")
	must(b, d.local, "ffmpeg", "-v", "error", "-stream_loop", "299", "-i", "short.mp4", "-c", "copy", filmName)
	film, err := os.Open(filepath.Join(d.local, filmName))
	require.NoError(b, err)
	defer film.Close()
	st, err := film.Stat()
	require.NoError(b, err)
	end := make([]byte, 32*mib)
	_, err = io.ReadFull(io.NewSectionReader(film, st.Size()-int64(len(end)), int64(len(end))), end)
	require.NoError(b, err)
	require.Contains(b, string(end), "moov", "the index has to be at the end")
	require.InDelta(b, float64(filmSize), float64(st.Size()), 0.25*float64(filmSize))
	d.send(b, filmName)
	d.film = true
	b.Logf("film of %d MiB, its index %d KiB", st.Size()/mib, (int64(len(end))-int64(bytes.Index(end, []byte("moov"))))/kib)
}

// benchFilm is what a player and a media library do with a film of which nothing is cached: ffprobe it; then, each on a mount
// of its own, show the first frame, and one in the middle.
func (d *benchDrive) benchFilm(b *testing.B, s setup) {
	if !d.film {
		b.Skip("no film: ffmpeg is missing")
	}
	peak := 0.0
	for _, do := range []struct {
		what string
		args []string
	}{
		{"probe", []string{"ffprobe", "-v", "error", "-show_entries", "format=duration,size:stream=codec_name,nb_frames", filmName}},
		{"first-frame", []string{"ffmpeg", "-v", "error", "-i", filmName, "-frames:v", "1", "-an", "-f", "framemd5", "-"}},
		{"mid-frame", []string{"ffmpeg", "-v", "error", "-ss", "3000", "-i", filmName, "-frames:v", "1", "-an", "-f", "framemd5", "-"}},
	} {
		r := s.mount(b)
		c := r.measure(func() int64 {
			start := time.Now()
			require.NotEmpty(b, must(b, r.dir, do.args[0], do.args[1:]...))
			b.ReportMetric(ms(time.Since(start)), do.what+"-ms")
			time.Sleep(settling)
			return 1
		})
		if r.server != os.Getpid() {
			b.ReportMetric(float64(c.sent)/float64(mib), do.what+"-fetched-MiB")
			peak = max(peak, r.peak())
		}
		r.end()
	}
	if peak > 0 {
		b.ReportMetric(peak, "peak-RSS-MiB")
	}
}

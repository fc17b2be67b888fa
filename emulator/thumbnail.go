package emulator

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	_ "image/gif" // formats of which a thumbnail shows the picture
	"image/jpeg"
	_ "image/png"
	"io"
	"net/http"
)

const (
	thumbFile   = 32 << 20 // bytes of the largest picture that is looked at
	thumbPixels = 32 << 20 // and its pixels
)

// thumbnail answers a small picture of a file behind a signed link. No cookie is needed.
func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request) {
	l, err := s.readLink(r, "thumb")
	var e entry
	if err == nil {
		e, err = s.linked(r, l)
	}
	if err != nil {
		s.failLink(w, r, err)
		return
	}
	width, height := 140, 90
	if _, err := fmt.Sscanf(r.URL.Query().Get("size"), "c%d_u%d", &width, &height); err != nil || width < 1 || height < 1 {
		width, height = 140, 90
	}
	width, height = min(width, 850), min(height, 850)
	small := s.shrunk(e, width, height)
	if small == nil {
		small = blend(width, height, crc32.ChecksumIEEE([]byte(e.MD5)))
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_ = jpeg.Encode(w, small, &jpeg.Options{Quality: 82}) // the client may have gone
}

// shrunk returns the picture in a file, made to fit; nil when there is none that can be read.
func (s *Server) shrunk(e entry, width, height int) image.Image {
	c, err := s.blobs.content(e.Blocks)
	if err != nil || c.size > thumbFile {
		return nil
	}
	defer func() { _ = c.Close() }() // files opened for reading
	var data bytes.Buffer
	if err := c.copyN(&data, c.size); err != nil {
		return nil
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data.Bytes()))
	if err != nil || cfg.Width < 1 || cfg.Height < 1 || cfg.Width > thumbPixels/cfg.Height {
		return nil
	}
	whole, _, err := image.Decode(io.Reader(&data))
	if err != nil {
		return nil
	}
	return fit(whole, width, height)
}

// fit scales a picture down to at most width by height, each pixel the mean of a few of those it stands for.
func fit(whole image.Image, width, height int) image.Image {
	b := whole.Bounds()
	scale := max(float64(b.Dx())/float64(width), float64(b.Dy())/float64(height), 1)
	w, h := max(1, int(float64(b.Dx())/scale)), max(1, int(float64(b.Dy())/scale))
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	const samples = 3
	for y := range h {
		for x := range w {
			var sum [3]uint32
			for i := range samples * samples {
				at := b.Min.Add(image.Pt(int((float64(x)+(float64(i%samples)+.5)/samples)*scale), int((float64(y)+(float64(i/samples)+.5)/samples)*scale)))
				r, g, bl, _ := whole.At(min(at.X, b.Max.X-1), min(at.Y, b.Max.Y-1)).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+bl>>8
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / (samples * samples)), uint8(sum[1] / (samples * samples)), uint8(sum[2] / (samples * samples)), 255})
		}
	}
	return out
}

// blend is what stands for a film, or a picture that cannot be read: two colours made from seed.
func blend(width, height int, seed uint32) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			t := uint32(255 * (x + y) / (width + height))
			mix := func(shift uint) uint8 {
				return uint8((seed>>shift&127+64)*(255-t)/255 + (seed>>(shift+4)&127+32)*t/255)
			}
			out.SetRGBA(x, y, color.RGBA{mix(0), mix(8), mix(16), 255})
		}
	}
	return out
}

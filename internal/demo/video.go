package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
)

const (
	frameWidth, frameHeight = 320, 240
	framesPerSecond         = 25
	frames                  = 12 * framesPerSecond
)

// Bounce is an AVI file, motion JPEG without sound: a ball over a moving horizon. It has an index, so
// players can seek in it.
func Bounce() []byte {
	pictures := make([][]byte, frames)
	longest := 0
	for i := range pictures {
		pictures[i] = frame(i)
		longest = max(longest, len(pictures[i]))
	}
	var movie, index bytes.Buffer
	movie.WriteString("movi")
	for _, p := range pictures {
		index.WriteString("00dc")
		put(&index, uint32(0x10), uint32(movie.Len()), uint32(len(p))) // a key frame, from "movi" on
		chunk(&movie, "00dc", p)
	}
	var body bytes.Buffer
	body.WriteString("AVI ")
	chunk(&body, "LIST", headers(longest))
	chunk(&body, "LIST", movie.Bytes())
	chunk(&body, "idx1", index.Bytes())
	var file bytes.Buffer
	chunk(&file, "RIFF", body.Bytes())
	return file.Bytes()
}

// headers is the list that says what the stream is.
func headers(longest int) []byte {
	var format bytes.Buffer // BITMAPINFOHEADER
	put(&format, uint32(40), int32(frameWidth), int32(frameHeight), uint16(1), uint16(24))
	format.WriteString("MJPG")
	put(&format, uint32(frameWidth*frameHeight*3), make([]uint32, 4))

	var stream bytes.Buffer // AVISTREAMHEADER
	stream.WriteString("vidsMJPG")
	put(&stream, make([]uint32, 3), uint32(1), uint32(framesPerSecond), uint32(0), uint32(frames),
		uint32(longest), ^uint32(0), uint32(0), [4]int16{0, 0, frameWidth, frameHeight})

	var streamList bytes.Buffer
	streamList.WriteString("strl")
	chunk(&streamList, "strh", stream.Bytes())
	chunk(&streamList, "strf", format.Bytes())

	var main bytes.Buffer // AVIMAINHEADER
	put(&main, uint32(1e6/framesPerSecond), uint32(longest*framesPerSecond), uint32(0), uint32(0x10),
		uint32(frames), uint32(0), uint32(1), uint32(longest), uint32(frameWidth), uint32(frameHeight), make([]uint32, 4))

	var list bytes.Buffer
	list.WriteString("hdrl")
	chunk(&list, "avih", main.Bytes())
	chunk(&list, "LIST", streamList.Bytes())
	return list.Bytes()
}

// chunk writes a RIFF chunk: name, length, data, and a byte to an even length.
func chunk(b *bytes.Buffer, name string, data []byte) {
	b.WriteString(name)
	put(b, uint32(len(data)))
	b.Write(data)
	if len(data)%2 == 1 {
		b.WriteByte(0)
	}
}

// frame is the n-th picture of the video as a JPEG.
func frame(n int) []byte {
	t := float64(n) / framesPerSecond
	ballX := frameWidth * (0.5 + 0.4*math.Sin(t))
	ballY := frameHeight * (0.85 - 0.7*math.Abs(math.Sin(2.5*t)))
	img := image.NewRGBA(image.Rect(0, 0, frameWidth, frameHeight))
	for y := range frameHeight {
		for x := range frameWidth {
			img.SetRGBA(x, y, pixel(float64(x), float64(y), ballX, ballY, t))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
		panic(err) // only for pictures larger than JPEG knows
	}
	return b.Bytes()
}

// pixel is the colour of one point: the ball, lit from above, else sky or ground.
func pixel(x, y, ballX, ballY, t float64) color.RGBA {
	const radius = 22
	if d := math.Hypot(x-ballX, y-ballY); d < radius {
		light := 1 - 0.6*math.Hypot(x-ballX+8, y-ballY+8)/radius
		return color.RGBA{R: uint8(230 * light), G: uint8(80 * light), B: uint8(60 * light), A: 255}
	}
	horizon := frameHeight*0.7 + 8*math.Sin(x/40+t)
	if y < horizon {
		return color.RGBA{R: 120, G: uint8(150 + y/4), B: 235, A: 255}
	}
	return color.RGBA{R: 60, G: uint8(120 + (y-horizon)/2), B: 70, A: 255}
}

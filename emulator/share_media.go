package emulator

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
)

// What the generators below return is the same in every process, so that the share keeps its md5s.

// samplePicture returns a PNG of a colour gradient.
func samplePicture(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), 160, 255})
		}
	}
	return encodePNG(img)
}

// thumbnail returns a PNG of one colour, made from seed.
func thumbnail(w, h int, seed uint32) []byte {
	c := color.RGBA{uint8(seed), uint8(seed >> 8), uint8(seed >> 16), 255}
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{c})
	return encodePNG(img)
}

func encodePNG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil { // a bytes.Buffer takes everything
		panic(err)
	}
	return buf.Bytes()
}

// sampleAudio returns a 16-bit mono WAV of a tone that rises an octave.
func sampleAudio(seconds int) []byte {
	const rate = 16000
	n := seconds * rate
	var buf bytes.Buffer
	buf.WriteString("RIFF")
	le32(&buf, uint32(36+2*n))
	buf.WriteString("WAVEfmt ")
	le32(&buf, 16)
	le16(&buf, 1, 1) // PCM, mono
	le32(&buf, rate, rate*2)
	le16(&buf, 2, 16) // bytes a frame, bits a sample
	buf.WriteString("data")
	le32(&buf, uint32(2*n))
	phase := 0.0
	for i := range n {
		phase += 2 * math.Pi * 440 * (1 + float64(i)/float64(n)) / rate
		le16(&buf, uint16(int16(12000*math.Sin(phase))))
	}
	return buf.Bytes()
}

// sampleNoise returns n bytes that no compression shortens.
func sampleNoise(n int, seed uint64) []byte {
	src := rand.NewPCG(seed, 0)
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, src.Uint64())
	}
	return b[:n]
}

// sampleVideo returns a Motion-JPEG AVI in which a square crosses the picture.
func sampleVideo(frames int) []byte {
	const w, h, fps = 160, 120, 10
	var movi, index bytes.Buffer
	movi.WriteString("movi")
	for i := range frames {
		jpg := videoFrame(w, h, i, frames)
		index.WriteString("00dc")
		le32(&index, 0x10, uint32(movi.Len()), uint32(len(jpg))) // 0x10: a key frame
		movi.Write(riffChunk("00dc", jpg))
	}
	var avih, strh, strf bytes.Buffer
	le32(&avih, 1e6/fps, 0, 0, 0x10, uint32(frames), 0, 1, 0, w, h, 0, 0, 0, 0) // 0x10: has an index
	strh.WriteString("vidsMJPG")
	le32(&strh, 0, 0, 0, 1, fps, 0, uint32(frames), 0, math.MaxUint32, 0, 0, 0)
	le32(&strf, 40, w, h)
	le16(&strf, 1, 24)
	strf.WriteString("MJPG")
	le32(&strf, w*h*3, 0, 0, 0, 0)
	strl := riffList("strl", riffChunk("strh", strh.Bytes()), riffChunk("strf", strf.Bytes()))
	hdrl := riffList("hdrl", riffChunk("avih", avih.Bytes()), strl)
	return riffChunk("RIFF", append(append(append([]byte("AVI "), hdrl...), riffChunk("LIST", movi.Bytes())...), riffChunk("idx1", index.Bytes())...))
}

// videoFrame returns frame i of n as a JPEG.
func videoFrame(w, h, i, n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	left := i * (w - 30) / max(n-1, 1)
	for y := range h {
		for x := range w {
			c := color.RGBA{30, uint8(60 + y), 90, 255}
			if x >= left && x < left+30 && y >= 45 && y < 75 {
				c = color.RGBA{240, 200, 40, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil { // a bytes.Buffer takes everything
		panic(err)
	}
	return buf.Bytes()
}

// riffChunk returns a RIFF chunk, padded to an even length.
func riffChunk(id string, data []byte) []byte {
	var buf bytes.Buffer
	buf.WriteString(id)
	le32(&buf, uint32(len(data)))
	buf.Write(data)
	if len(data)%2 == 1 {
		buf.WriteByte(0)
	}
	return buf.Bytes()
}

// riffList returns a RIFF LIST of the given kind.
func riffList(kind string, chunks ...[]byte) []byte {
	return riffChunk("LIST", append([]byte(kind), bytes.Join(chunks, nil)...))
}

func le32(buf *bytes.Buffer, vals ...uint32) {
	for _, v := range vals {
		buf.Write(binary.LittleEndian.AppendUint32(nil, v))
	}
}

func le16(buf *bytes.Buffer, vals ...uint16) {
	for _, v := range vals {
		buf.Write(binary.LittleEndian.AppendUint16(nil, v))
	}
}

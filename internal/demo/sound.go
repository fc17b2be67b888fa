package demo

import (
	"bytes"
	"encoding/binary"
	"math"
)

const (
	sampleRate = 44100
	noteLength = sampleRate / 2 // samples
	rounds     = 6              // times the scale is played up and down
)

// Scale is a WAV file: a C major scale up and down, mono, 16 bit, a few MiB so that it takes more than one
// upload part.
func Scale() []byte {
	up := []int{0, 2, 4, 5, 7, 9, 11, 12}
	var samples []int16
	for range rounds {
		for i := range up {
			samples = appendNote(samples, up[i])
		}
		for i := range up {
			samples = appendNote(samples, up[len(up)-1-i])
		}
	}
	return wav(samples)
}

// appendNote adds one note, semitones above middle C, that rings out like a plucked string.
func appendNote(samples []int16, semitones int) []int16 {
	frequency := 261.63 * math.Pow(2, float64(semitones)/12)
	for i := range noteLength {
		t := float64(i) / sampleRate
		attack := math.Min(1, t*100)
		wave := math.Sin(2*math.Pi*frequency*t) + 0.4*math.Sin(4*math.Pi*frequency*t) + 0.2*math.Sin(6*math.Pi*frequency*t)
		samples = append(samples, int16(12000*attack*math.Exp(-4*t)*wave))
	}
	return samples
}

// wav wraps samples in a RIFF header.
func wav(samples []int16) []byte {
	const header, bytesPerSample = 44, 2
	size := uint32(len(samples) * bytesPerSample)
	var b bytes.Buffer
	b.Grow(header + int(size))
	b.WriteString("RIFF")
	put(&b, uint32(header-8)+size)
	b.WriteString("WAVEfmt ")
	put(&b, uint32(16), uint16(1), uint16(1), uint32(sampleRate), uint32(sampleRate*bytesPerSample), uint16(bytesPerSample), uint16(16))
	b.WriteString("data")
	put(&b, size, samples)
	return b.Bytes()
}

// put writes numbers in the byte order of RIFF files. A bytes.Buffer takes everything.
func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		if err := binary.Write(b, binary.LittleEndian, v); err != nil {
			panic(err) // a type without a fixed size
		}
	}
}

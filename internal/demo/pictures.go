package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/cmplx"
)

// Mandelbrot is a PNG of the set that the name says.
func Mandelbrot() []byte {
	return paint(960, 640, func(x, y float64) color.RGBA {
		c := complex(x*3-2.1, y*2-1)
		z := complex(0, 0)
		for n := range 120 {
			z = z*z + c
			if cmplx.Abs(z) > 2 {
				return hue(float64(n) / 40)
			}
		}
		return color.RGBA{A: 255}
	})
}

// Plasma is a PNG of overlapping waves.
func Plasma() []byte {
	return paint(800, 600, func(x, y float64) color.RGBA {
		v := math.Sin(12*x) + math.Sin(9*y) + math.Sin(14*(x+y)) + math.Sin(20*math.Hypot(x-0.5, y-0.5))
		return hue(v / 6)
	})
}

// Sierpinski is a PNG of the triangle that the name says.
func Sierpinski() []byte {
	return paint(512, 512, func(x, y float64) color.RGBA {
		if int(x*512)&int(y*512) == 0 {
			return color.RGBA{R: 32, G: 96, B: 160, A: 255}
		}
		return color.RGBA{R: 250, G: 250, B: 245, A: 255}
	})
}

// paint asks for the colour at every point, x and y in [0, 1), and returns the picture as a PNG.
func paint(width, height int, at func(x, y float64) color.RGBA) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, at(float64(x)/float64(width), float64(y)/float64(height)))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // only for pictures without an area
	}
	return b.Bytes()
}

// hue is a colour of the rainbow; whole numbers are one turn.
func hue(turn float64) color.RGBA {
	channel := func(shift float64) uint8 { return uint8(128 + 127*math.Cos(2*math.Pi*(turn+shift))) }
	return color.RGBA{R: channel(0), G: channel(1.0 / 3), B: channel(2.0 / 3), A: 255}
}

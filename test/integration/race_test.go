//go:build linux && race

package integration

// raceEnabled says that these tests, and so the binary they build, have the race detector.
const raceEnabled = true

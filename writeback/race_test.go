//go:build race

package writeback

// modelSequences is how many sequences the model test runs; the race detector makes each six times as long.
const modelSequences = 10

//go:build !race

package writeback

// modelSequences is how many sequences the model test runs.
const modelSequences = 100

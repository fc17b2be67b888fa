// Table turns the output of benchmarks into Markdown: `table [-into FILE -section NAME] OUTPUT...`.
//
// A benchmark's name is GROUP/WORKLOAD/SETUP. Each group becomes a table with a row for every metric of every workload and a
// column for every setup; a cell is the least, the median and the greatest of the runs. Where rclone is among the setups, the
// last column compares the best teraboxfs with the best rclone by their medians: above 1 teraboxfs is better, whether the
// metric is one to be high (a rate) or to be low (all others).
//
// With -into the tables replace what stands between the lines "<!-- NAME -->" and "<!-- /NAME -->" of FILE; otherwise they are
// printed. Output in which a benchmark failed, or that ended early, is refused. `table -header` prints the line with date,
// commit and machine that an output begins with, so that the page says when its figures were taken.
package main

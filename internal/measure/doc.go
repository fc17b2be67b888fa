// Package measure counts what a process does and how long it takes: operations of the kernel, calls to the service, and the programs
// that caused them.
//
// A Group has a Row for each kind of call; a Row has a Histogram of how long its calls took, and counts of errors and bytes. Nothing
// here forgets: who wants to know of a time takes Rows before and after, and Since. Programs are told apart by name; a Slowest keeps
// the few longest calls while somebody looks.
//
// Recording neither allocates nor waits: histograms and counters are atomic. The errors of a row, the names of a group, the programs,
// and a Slowest have a mutex each, all of them leaves. There are no goroutines.
package measure

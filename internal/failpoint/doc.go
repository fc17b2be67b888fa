// Package failpoint kills the process at named places of the code, for crash tests: a daemon built with -tags failpoints dies, as by
// kill -9, when it comes to the place that the environment variable TERABOXFS_FAILPOINT names for the nth time ("name" or "name:n").
// Without the tag it is nothing.
package failpoint

// Package power hears from the system bus what a laptop does to a mount: that the machine is about to sleep and is awake again (logind),
// and that the connection is paid by volume (NetworkManager). Where there is no bus, or one of them is not on it, nothing is heard.
//
// Watch runs on a goroutine of the caller's and starts none, but for those of the D-Bus library, which end with it. There are no locks.
package power

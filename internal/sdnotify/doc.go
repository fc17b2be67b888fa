// Package sdnotify tells the service manager that started this process how it goes, in the protocol of sd_notify(3): datagrams
// to the socket that $NOTIFY_SOCKET names. A Notifier of a process that no manager started says nothing.
//
// Keep runs on a goroutine of the caller's, and starts one for each probe; there are no locks.
package sdnotify

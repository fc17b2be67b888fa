// Package netguard decides where this program may connect to and who may see the account's
// cookie.
//
// Addresses reach us from outside: a dlink in a JSON answer, a Location header, an upload host.
// Any of them may be wrong or hostile, so every connection passes one Policy, at three points:
//
//   - CheckURL and CheckStep look at a URL before a request is made: http or https only, no user
//     information, no step from https down to http.
//   - DialContext looks at the address after the name was resolved, in net.Dialer.Control. Names
//     that resolve to this machine or to the local network, whatever their spelling, redirects
//     and names whose answer changes between two look-ups are all stopped there, before a packet
//     is sent.
//   - CookieAllowed tells whether a URL may be sent the account's cookie.
//
// An origin is a scheme, host and port the user configured, such as http://127.0.0.1:4455 for
// the emulator. It is the one thing exempt from the address rule, exactly as written: another
// port, another name of the same machine is refused.
//
// A Policy is immutable and safe for concurrent use. The package has no goroutines and no locks.
// Its callers are remote and remote/teraboxdl; they follow redirects themselves, one CheckStep a
// hop, and turn ErrRefused into their own error. Environment proxies are not used: behind a proxy
// the address of the far end cannot be checked.
package netguard

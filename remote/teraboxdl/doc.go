// Package teraboxdl is the client of the TeraboxDL link service, which turns the link of a share
// into direct links to its files, for a daily allowance of requests.
//
// # Vocabulary
//
// A share is what a link such as https://terabox.com/s/1KEY leads to; all its spellings, on any
// of the service's domains, have one key. To resolve a share is one paid request: it gives the
// share's files, folders flattened into one list, each with a direct link that is good for some
// hours. A file's marks tell its versions apart beyond identity and size: the ETag or
// Last-Modified the link answers with, and what the service says of the content. A version is
// named by the time since which it was seen.
//
// # What it promises
//
// Requests are signed over the very bytes that are sent. Key and secret go to the configured
// origin only, never along a redirect, and neither they nor direct links can be printed: they
// are of type Secret. Direct links are read with no cookie and no key, under the address policy
// of internal/netguard. A link that expires is renewed by one request for everyone who waits,
// and the read goes on at its offset; links that are refused as soon as they were given are not
// paid for again and again.
//
// # Callers, locks, goroutines
//
// cmd/teraboxfs makes the Client and adapts it to fs and blockcache. Client.mu guards the links
// and marks and is held for look-ups only. The goroutines are those of remote.Flights, one per
// share being resolved, and a timer's that hands out marks; Close waits for both.
//
// Errors are those of package remote: ErrAllowance when the day's requests are used up, ErrLogin
// for a refused key, ErrInvalid for a link or a parameter the service does not take, ErrThrottled and
// ErrServer for what passes. A request refused with 401 is sent again once after the clock was
// corrected from the answer's Date, and once with the credentials that Config.Reload finds: another
// process may have regenerated them. Counting the allowance is left to
// Config.Spend, keeping what was paid for to Config.Resolved, and what was seen to Config.Noticed.
package teraboxdl

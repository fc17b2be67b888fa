// Package page is the status page of one mount (--http): figures over time, the queue, the cache, and a browser of the drive with the
// service's thumbnails, for one user of this machine.
//
// # Vocabulary
//
// A Source is the mount that is shown. The session is the cookie of a browser that was let in; a ticket is the
// secret in the link that lets it in, good once. The token is in the page's HTML and goes with every request that changes something. An
// event is what is pushed to an open page, once a second.
//
// # Who may see it
//
// Every user of a machine reaches its loopback addresses, and every web site the user looks at can send requests there. So a
// request passes, in this order (guard.go): the Host it was sent to is one of this machine's names with this port, which keeps out names that
// were made to lead here; the browser does not say that another site asks; a session, but for the page's looks and
// the way in; and for a POST the origin and the token. A Unix socket is 0600 and needs no session. Nothing is answered to other origins, what is
// answered may be framed, sniffed, stored or run by nobody, and the page itself loads nothing but what this program serves.
//
// Names come from the service and from whoever shares files: they go as JSON, and into the page as text only.
// Pictures come through this process (picture.go): a browser is never given an address of the service, and no bytes that are not
// an image of four kinds.
//
// # Callers, locks, goroutines
//
// cmd/teraboxfs makes the Server and gives it the Source. The Server owns a goroutine that accepts connections; those of net/http end
// with Close, which cuts event streams short and waits for them. Locks: Server.mu, access.mu and pictures.mu, all leaves.
package page

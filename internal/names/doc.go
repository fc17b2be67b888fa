// Package names maps the names of this machine to those that the service stores, and back. It is pure: every machine maps alike, and
// nothing has to be remembered. The table is in docs/semantics.md#names; it contains that of rclone.
//
//   - Encode is total and reversible: Decode(Encode(n)) == n for every name that a Linux directory can have.
//   - Decode is total; a name that somebody stored in a spelling that Encode does not make is decoded all the same, but
//     Encode gives another spelling for it. Who lists must remember those.
package names

// Package owndir keeps files in directories that belong to this user alone: the staging directory
// and the disk cache. Every name is resolved below an os.Root, so that a link planted there leads
// nowhere; a directory that somebody else could have prepared is refused. It has no state.
package owndir

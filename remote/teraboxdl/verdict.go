package teraboxdl

import (
	"regexp"

	"github.com/teraboxfs/teraboxfs/remote"
)

// verdicts are the words of an HTTP 500 that say what is wrong with the share, so that asking again is of no use. The document has no
// numbers for it: the words are guesses, and each needs the share as its subject, as a failure of the service's own may also be of
// something that expired. Read only.
var verdicts = []struct {
	words *regexp.Regexp
	kind  error
}{
	{regexp.MustCompile(`(?i)\b(password|extraction code|passcode)\b[^.;:]*\b(protected|required|needed|wrong|incorrect|invalid|missing)\b` +
		`|\b(wrong|incorrect|invalid|missing|requires?)\b[^.;:]*\b(password|extraction code|passcode)\b`), remote.ErrPassword},
	{regexp.MustCompile(`(?i)\b(link|share|url)\b[^.;:]*\bcancell?ed\b`), remote.ErrCancelled},
	{regexp.MustCompile(`(?i)\b(link|share|url)\b (does not exist|doesn't exist|(was |is )?not found|(is |was |has |has been )?(expired|deleted|removed))\b`),
		remote.ErrNotExist},
}

// ofShare returns what the number or the words of an answer say of the share that was asked for; nil: nothing.
func ofShare(errno int, words string) error {
	if kind := errnos[errno]; kind != nil {
		return kind
	}
	for _, v := range verdicts {
		if v.words.MatchString(words) {
			return v.kind
		}
	}
	return nil
}

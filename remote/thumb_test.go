package remote

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pictured is a script whose files have pictures at address; name i is the file i.
func pictured(t *testing.T, address func(base string) string) (*script, *Client) {
	s := newScript(t)
	s.on("/api/filemetas", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "1", r.FormValue("thumb"))
		var items []string
		for i := range strings.Count(r.FormValue("target"), "/") {
			items = append(items, fmt.Sprintf(`{"fs_id":%d,"path":"/%d","size":3,"isdir":0,"md5":"%032d","thumbs":{"icon":{},"url1":[1],"url2":%q,"url3":null}}`, i+1, i, i, address(s.URL)))
		}
		fmt.Fprintf(w, `{"errno":0,"info":[%s]}`, strings.Join(items, ","))
	})
	return s, s.client(t)
}

func picturedFile(i int) Entry {
	return Entry{FsID: uint64(i + 1), Path: fmt.Sprintf("/%d", i), Size: 3, MD5: fmt.Sprintf("%032d", i)}
}

func TestThumbnailsAreAskedForTogetherAndOnce(t *testing.T) {
	s, c := pictured(t, func(base string) string { return base + "/thumb" })
	s.on("/thumb", func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Cookie"), "the link is signed; the cookie stays here")
		text("picture")(w, r)
	})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			data, err := c.Thumbnail(t.Context(), picturedFile(i), ThumbMedium)
			assert.NoError(t, err)
			assert.Equal(t, "picture", string(data))
		})
	}
	all.Wait()
	asked := s.count("/api/filemetas")
	assert.LessOrEqual(t, asked, 6, "of 60 questions")
	_, err := c.Thumbnail(t.Context(), picturedFile(3), ThumbLarge)
	require.NoError(t, err)
	assert.Equal(t, asked, s.count("/api/filemetas"), "the links are remembered")
}

func TestThumbnailOfAnotherVersionIsNotShown(t *testing.T) {
	_, c := pictured(t, func(base string) string { return base + "/thumb" })
	e := picturedFile(0)
	e.MD5 = strings.Repeat("f", 32)
	_, err := c.Thumbnail(t.Context(), e, ThumbMedium)
	require.ErrorIs(t, err, ErrChanged)
}

func TestThumbnailsThatAreNotFetched(t *testing.T) {
	for name, tc := range map[string]struct {
		address string // base is put before what begins with "/"
		answer  http.HandlerFunc
		is      error
	}{
		"none":               {"", nil, ErrNotExist},
		"a local address":    {"http://127.0.0.2:9/x", nil, ErrAddress},
		"metadata service":   {"http://169.254.169.254/latest", nil, ErrAddress},
		"a file":             {"file:///etc/passwd", nil, ErrAddress},
		"redirect to inside": {"/thumb", status(302, "Location", "http://10.0.0.1/"), ErrAddress},
		"redirects for ever": {"/thumb", status(302, "Location", "/thumb"), ErrProtocol},
		"too long":           {"/thumb", text(strings.Repeat("x", thumbLimit+1)), ErrTooLarge},
		"not there":          {"/thumb", status(404), ErrLinkExpired},
		"broken":             {"/thumb", status(502), ErrServer},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := pictured(t, func(base string) string {
				if strings.HasPrefix(tc.address, "/") {
					return base + tc.address
				}
				return tc.address
			})
			if tc.answer != nil {
				s.on("/thumb", tc.answer)
			}
			_, err := c.Thumbnail(t.Context(), picturedFile(0), ThumbMedium)
			require.ErrorIs(t, err, tc.is)
			assert.NotContains(t, err.Error(), "/thumb")
		})
	}
}

// TestThumbnailsEndWithTheClient: nobody waits for an answer to a question that will not be asked.
func TestThumbnailsEndWithTheClient(t *testing.T) {
	_, c := pictured(t, func(base string) string { return base + "/thumb" })
	require.NoError(t, c.Close())
	for range 2 {
		_, err := c.Thumbnail(t.Context(), picturedFile(0), ThumbMedium)
		require.ErrorIs(t, err, errClosed)
	}
}

// TestThumbnailLinksAreRenewed: a link that is refused is asked for once more.
func TestThumbnailLinksAreRenewed(t *testing.T) {
	s, c := pictured(t, func(base string) string { return base + "/thumb" })
	s.on("/thumb", status(403), text("picture"))
	data, err := c.Thumbnail(t.Context(), picturedFile(0), ThumbMedium)
	require.NoError(t, err)
	assert.Equal(t, "picture", string(data))
	assert.Equal(t, 2, s.count("/api/filemetas"))

	c.cfg.Now = func() time.Time { return time.Now().Add(thumbLife) }
	_, err = c.Thumbnail(t.Context(), picturedFile(0), ThumbMedium)
	require.NoError(t, err)
	assert.Equal(t, 3, s.count("/api/filemetas"))
}

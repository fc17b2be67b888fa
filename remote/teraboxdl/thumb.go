package teraboxdl

import (
	"context"

	"github.com/teraboxfs/teraboxfs/remote"
)

// thumbLimit is how long a thumbnail may be, in bytes.
const thumbLimit = 512 << 10

// Names of thumbnails, the best first, for each size.
var (
	mediumThumbs = [...]string{"url2", "url1", "url3", "icon"}
	largeThumbs  = [...]string{"url3", "url2", "url1", "icon"}
)

// Thumbnail returns a picture of a file by a link that came with it, an encoded image of at most 512 KiB whose format nobody has looked at. No
// request is paid: the error wraps remote.ErrNotExist where there was no link, and remote.ErrLinkExpired where it is good no more.
func (c *Client) Thumbnail(ctx context.Context, f File, size remote.ThumbSize) ([]byte, error) {
	names := mediumThumbs
	if size == remote.ThumbLarge {
		names = largeThumbs
	}
	for _, name := range names {
		if f.Thumbs[name] == "" {
			continue
		}
		link, err := c.link(string(f.Thumbs[name]))
		if err != nil {
			return nil, err
		}
		return c.reader.ReadSmall(ctx, link, f.Name, thumbLimit)
	}
	return nil, &remote.Error{Op: "thumbnail", Object: f.Name, Kind: remote.ErrNotExist}
}

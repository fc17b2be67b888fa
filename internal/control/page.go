package control

import "context"

// PageLink lets one browser in to the status page, once. It is a secret.
type PageLink struct {
	URL string `json:"url,omitempty"` // "": there is no page
}

// PageLink asks for a link to the daemon's status page.
func (c *Client) PageLink(ctx context.Context) (PageLink, error) {
	return askOne[PageLink](ctx, c, "/v1/page", struct{}{})
}

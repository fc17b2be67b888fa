package remote

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

const (
	freeMaxFile    = 4 * gib   // errno 58 beyond
	premiumMaxFile = 128 * gib // 20 GiB in older documents
)

// Account is who the cookie belongs to.
type Account struct {
	UK          uint64 // the service's number of the user
	Name        string // "" when the service does not say
	VIP         int    // 0 free, 1 and 2 the paid tiers
	MaxFileSize int64  // bytes one file may have: Config.MaxFileSize, or by plan
	Base        string // origin the session has settled on
}

// Login asks whether the cookie is good, finds the account's region, and reads name and plan.
// ErrLogin means that the user has to supply another cookie, ErrVerify that the site wants to
// see a human first.
func (c *Client) Login(ctx context.Context) (Account, error) {
	uk, err := c.checkLogin(ctx)
	if err != nil {
		return Account{}, err
	}
	a := Account{UK: uk}
	if err := c.userInfo(ctx, &a); err != nil && !missingInfo(err) {
		return Account{}, err
	}
	if err := c.membership(ctx, &a); err != nil && !missingInfo(err) {
		return Account{}, err
	}
	a.MaxFileSize = c.cfg.MaxFileSize
	if a.MaxFileSize == 0 {
		a.MaxFileSize = freeMaxFile
		if a.VIP > 0 {
			a.MaxFileSize = premiumMaxFile
		}
	}
	a.Base = c.Base().String()
	return a, nil
}

// Probe looks whether what is wrong is over, when it is time for that; else it does nothing. Somebody has to call it now and then: while
// nobody uses the drive no other call would tell.
func (c *Client) Probe(ctx context.Context) {
	if c.health.wantsProbe() {
		c.Look(ctx)
	}
}

// Look asks the service who is logged in, once, and is told by State.
func (c *Client) Look(ctx context.Context) {
	var out struct{ envelope }
	err := c.call(ctx, request{op: "check/login", path: loginPath, tries: 1}, &out)
	c.log.Debug("looked for the service", "err", err)
}

// Adopt goes on with the login of another client, which has logged in to the same account: its cookies, base and tokens. Calls under
// way that are refused for the old login are sent again. It changes nothing and fails with ErrAddress when that login is of another service.
func (c *Client) Adopt(other *Client) error {
	if to := other.session.configured; !c.session.trusted(to) || !c.session.trusted(other.Base()) {
		return &Error{Op: "login", Object: to.Host, Kind: ErrAddress, Msg: "that is another service than " + c.session.configured.Host}
	}
	c.session.take(other.session)
	c.uploads.forget()
	c.health.renewed()
	return nil
}

// missingInfo reports whether an account call failed in a way that only means "this site does
// not tell": name and plan are worth having, not worth failing for.
func missingInfo(err error) bool {
	return errors.Is(err, ErrProtocol) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrPermission) ||
		errors.Is(err, ErrNotExist) || errors.Is(err, ErrUnsupported)
}

// loginPath is the call that only asks who is logged in.
const loginPath = "/api/check/login"

// checkLogin returns the user's number. Where check/login does not say it, the home page does.
func (c *Client) checkLogin(ctx context.Context) (uint64, error) {
	var out struct {
		envelope
		UK flexID `json:"uk"`
	}
	if err := c.call(ctx, request{op: "check/login", path: loginPath}, &out); err != nil {
		return 0, err
	}
	if out.UK != 0 {
		return uint64(out.UK), nil
	}
	st, err := c.withToken(ctx)
	if err != nil {
		return 0, fmt.Errorf("check/login: %w", err)
	}
	if st.tokens.uk == 0 {
		return 0, &Error{Op: "check/login", Kind: ErrProtocol, Msg: "the site does not say whose cookie it is"}
	}
	return st.tokens.uk, nil
}

// userInfo fills in name and tier.
func (c *Client) userInfo(ctx context.Context, a *Account) error {
	var out struct {
		envelope
		Records []struct {
			UName    flexText `json:"uname"`
			NickName flexText `json:"nick_name"`
			VIPType  flexInt  `json:"vip_type"`
		} `json:"records"`
	}
	err := c.call(ctx, request{op: "user/getinfo", path: "/api/user/getinfo", query: url.Values{
		"user_list": {fmt.Sprintf("[%d]", a.UK)}, "need_relation": {"0"}, "need_secret_info": {"1"},
	}}, &out)
	if err != nil || len(out.Records) == 0 {
		return err
	}
	u := out.Records[0]
	a.Name = tidy(string(u.NickName))
	if u.UName != "" {
		a.Name = tidy(string(u.UName))
	}
	a.VIP = int(max(0, min(u.VIPType.n, 9)))
	return nil
}

// membership corrects the tier: a paid plan that has lapsed says is_vip 0.
func (c *Client) membership(ctx context.Context, a *Account) error {
	var out struct {
		envelope
		Data struct {
			Member struct {
				IsVIP flexInt `json:"is_vip"`
			} `json:"member_info"`
		} `json:"data"`
	}
	err := c.call(ctx, request{op: "membership", path: "/rest/2.0/membership/proxy/user", query: url.Values{
		"method": {"query"}, "membership_version": {"1.0"},
	}}, &out)
	if err != nil || !out.Data.Member.IsVIP.set {
		return err
	}
	switch {
	case out.Data.Member.IsVIP.n == 0:
		a.VIP = 0
	case a.VIP == 0:
		a.VIP = 1
	}
	return nil
}

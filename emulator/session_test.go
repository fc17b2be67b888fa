package emulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tokenIn reads a home page in the three ways of docs/protocol.md#jstoken and checks that they agree.
func tokenIn(t *testing.T, page string) (token string, data object) {
	t.Helper()
	found := regexp.MustCompile(`var templateData = (\{.*\});</script>`).FindStringSubmatch(page)
	require.Len(t, found, 2)
	require.NoError(t, json.Unmarshal([]byte(found[1]), &data))
	call, _ := data["jsToken"].(string)
	_, rest, ok := strings.Cut(call, "%28%22")
	require.True(t, ok)
	token, _, _ = strings.Cut(rest, "%22%29")

	_, rest, ok = strings.Cut(page, "`function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22")
	require.True(t, ok)
	second, _, _ := strings.Cut(rest, "%22%29")
	assert.Equal(t, token, second)

	plain, err := url.PathUnescape(call)
	require.NoError(t, err)
	assert.Contains(t, plain, `fn("`+token+`")`)
	return token, data
}

func TestHomePageCarriesTheTokens(t *testing.T) {
	d := start(t, Config{})
	for _, path := range []string{"/", "/main", "/home", "/main?category=all"} {
		rep := d.get(path)
		require.Equal(t, http.StatusOK, rep.status)
		token, data := tokenIn(t, string(rep.body))
		assert.Regexp(t, "^[0-9a-f]{128}$", token)
		assert.Regexp(t, "^[0-9a-f]{32}$", data["bdstoken"])
		assert.Regexp(t, "^[0-9]{20}$", rep.header.Get("Logid"))
		domain, _ := data["newDomain"].(map[string]any)
		assert.Equal(t, d.web.URL, domain["origin"])
		assert.Empty(t, domain["urlDomainPrefix"])
	}
	assert.Equal(t, 4, d.s.Calls()["home"])
}

func TestHomePageWithoutLogin(t *testing.T) {
	d := start(t, Config{})
	rep := d.send(request{url: "/", cookie: "-"})
	require.Equal(t, http.StatusOK, rep.status)
	token, _ := tokenIn(t, string(rep.body))
	assert.Regexp(t, "^[0-9a-f]{192}$", token)
	assert.Equal(t, errAnonToken, d.post("/api/create?jsToken="+token, "path", "/d", "isdir", "1").errno())

	rep = d.send(request{url: "/main", cookie: "ndus=wrong"})
	assert.Equal(t, http.StatusFound, rep.status)
	assert.Equal(t, "/login", rep.header.Get("Location"))
}

func TestCookieIsRequired(t *testing.T) {
	d := start(t, Config{NDUS: "Y-secret"})
	for _, path := range []string{"/api/check/login", "/api/list?dir=/", "/api/quota", "/api/home/info"} {
		assert.Equal(t, errNotLoggedIn, d.send(request{url: path, cookie: "-"}).errno(), path)
		assert.Equal(t, errNotLoggedIn, d.send(request{url: path, cookie: "ndus=demo"}).errno(), path)
		assert.Zero(t, d.send(request{url: path, cookie: "browserid=x; ndus=Y-secret; lang=en"}).errno(), path)
	}
	rep := d.send(request{url: "/rest/2.0/pcs/file?method=locateupload", cookie: "-"})
	assert.Equal(t, http.StatusForbidden, rep.status)
	assert.EqualValues(t, errPCSUser, rep.num("error_code"))
}

func TestTokensThatWritesRefuse(t *testing.T) {
	d := start(t, Config{TokenTTL: time.Hour})
	token, _ := tokenIn(t, string(d.get("/").body))
	mkdir := func(token string) errno {
		return d.post("/api/create", "path", "/d", "isdir", "1", "rtype", "1", "jsToken", token).errno()
	}
	assert.Zero(t, mkdir(""), "absence is tolerated")
	assert.Zero(t, mkdir(token))
	assert.Equal(t, errVerify, mkdir("TOKEN"))
	assert.Equal(t, errVerifyFM, d.post("/api/filemanager?opera=delete&jsToken=old", "filelist", `["/d"]`).errno())
	assert.Zero(t, d.get("/api/list", "dir", "/", "jsToken", "old").errno(), "reads do not look at it")

	d.s.RotateToken()
	assert.Equal(t, errVerify, mkdir(token))
	token, _ = tokenIn(t, string(d.get("/").body))
	assert.Zero(t, mkdir(token))

	d.clock.Advance(2 * time.Hour)
	assert.Equal(t, errVerify, mkdir(token), "a token past its life")
	assert.Equal(t, errVerifyFM, d.post("/api/filemanager?opera=delete&jsToken="+token, "filelist", `["/d"]`).errno())
	fresh, _ := tokenIn(t, string(d.get("/").body))
	assert.NotEqual(t, token, fresh)
	assert.Equal(t, errVerify, mkdir(token))
	assert.Zero(t, mkdir(fresh))
}

func TestAccountCalls(t *testing.T) {
	d := start(t, Config{Quota: 1000})
	d.put("/a", "12345")
	require.NoError(t, d.s.Remove("/a"))
	d.put("/b", "123")

	login := d.get("/api/check/login")
	assert.EqualValues(t, ownerUK, login.num("uk"))
	assert.IsType(t, "", login.json["request_id"])

	info := d.get("/passport/get_info")
	assert.EqualValues(t, 0, info.num("code"))
	assert.Equal(t, "demo", info.json["data"].(map[string]any)["display_name"])

	user := d.get("/api/user/getinfo", "user_list", "[4400112233,1]", "need_secret_info", "1")
	require.Len(t, user.items("records"), 1)
	assert.Equal(t, "demo", user.items("records")[0]["uname"])

	quota := d.get("/api/quota", "checkexpire", "1", "checkfree", "1")
	assert.EqualValues(t, 1000, quota.num("total"))
	assert.EqualValues(t, 8, quota.num("used"), "the bin counts")
	assert.EqualValues(t, 1000, quota.num("free"), "the plan's allotment, not what is left")
	assert.Equal(t, false, quota.json["expire"])

	member := d.get("/rest/2.0/membership/proxy/user", "method", "query", "membership_version", "1.0")
	assert.EqualValues(t, 0, member.num("error_code"))
	assert.NotNil(t, member.json["data"].(map[string]any)["member_info"])
}

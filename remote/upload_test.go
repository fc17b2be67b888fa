package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	xpanPath     = "/rest/2.0/xpan/file"
	precreateOK  = `{"errno":0,"path":"/f","uploadid":"N1-x","return_type":1,"block_list":[0]}`
	createOK     = `{"errno":0,"fs_id":"5","path":"/f","size":5,"md5":"e13dabb7dn1df6548e7988a41a60ef54","mtime":1732200100}`
	someMD5      = "5eb63bbbe01eeed093cb22bb8f5acdc3"
	superfile    = "/rest/2.0/pcs/superfile2"
	locateAnswer = `{"host":%q,"expire":60,"client_ip":"1.2.3.4"}`
)

func onePart() PrecreateRequest {
	return PrecreateRequest{Path: "/f", Size: 5, BlockList: []string{someMD5}, Mtime: time.Unix(1700000000, 0)}
}

func oneFile() CreateRequest {
	return CreateRequest{Path: "/f", Size: 5, UploadID: "N1-x", BlockList: []string{someMD5}, Mtime: time.Unix(1700000000, 0)}
}

func bytesPart(content string) PartRequest {
	return PartRequest{Path: "/f", UploadID: "N1-x", Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func TestDialectAuto(t *testing.T) {
	for _, tc := range []struct {
		name    string
		xpan    http.HandlerFunc
		web     http.HandlerFunc
		want    error
		becomes Dialect
	}{
		{"xpan understood", text(precreateOK), text(precreateOK), nil, DialectXpan},
		{"xpan missing", status(404), text(precreateOK), nil, DialectWeb},
		{"xpan answers a page", text("<html>"), text(precreateOK), nil, DialectWeb},
		{"xpan answers an unknown errno", text(`{"errno":77}`), text(precreateOK), nil, DialectWeb},
		{"xpan answers no errno", text(`{}`), text(precreateOK), nil, DialectWeb},
		{"a known refusal is an answer", text(`{"errno":-8}`), text(precreateOK), ErrExist, DialectXpan},
		{"web understood, if only to refuse", status(404), text(`{"errno":-10}`), ErrNoSpace, DialectWeb},
		{"neither", text("<html>"), text("<html>"), ErrProtocol, DialectXpan},
		{"offline says nothing about dialects", status(302, "Location", "http://portal.example/"), text(precreateOK), ErrOffline, DialectXpan},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(xpanPath, tc.xpan)
			s.on("/api/precreate", tc.web)
			c := s.client(t)
			_, err := c.Precreate(t.Context(), onePart())
			require.ErrorIs(t, err, tc.want)
			d, _ := c.dialect.current()
			assert.Equal(t, tc.becomes, d)
			if d == DialectWeb { // for the rest of the session
				before := s.count(xpanPath)
				s.on("/api/create", text(createOK))
				_, err := c.Create(t.Context(), oneFile())
				require.NoError(t, err)
				assert.Equal(t, before, s.count(xpanPath))
			}
		})
	}
}

func TestConfiguredDialectStays(t *testing.T) {
	s := newScript(t)
	s.on("/api/precreate", text(precreateOK))
	_, err := s.client(t, func(cfg *Config) { cfg.Dialect = DialectXpan }).Precreate(t.Context(), onePart())
	require.ErrorIs(t, err, ErrProtocol)
	assert.Zero(t, s.count("/api/precreate"))

	_, err = s.client(t, func(cfg *Config) { cfg.Dialect = DialectWeb }).Precreate(t.Context(), onePart())
	require.NoError(t, err)
}

// TestSeedRequests: precreate and create are what reference document S3 shows, in query and body.
func TestSeedRequests(t *testing.T) {
	s := newScript(t)
	var got []*http.Request
	record := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			got = append(got, r)
			_, _ = w.Write([]byte(body))
		}
	}
	s.on("/main", text(`var templateData = {"jsToken":"%28%22`+testToken+`%22%29","bdstoken":"`+someMD5+`"};`))
	s.on(xpanPath, record(precreateOK), record(createOK))
	c := s.client(t)
	p := onePart()
	p.Conflict = ConflictOverwrite
	_, err := c.Precreate(t.Context(), p)
	require.NoError(t, err)
	f := oneFile()
	f.Conflict = ConflictOverwrite
	e, err := c.Create(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, got, 2)
	for i, want := range []map[string]string{
		{"path": "/f", "size": "5", "autoinit": "1", "rtype": "3", "block_list": `["` + someMD5 + `"]`, "local_mtime": "1700000000"},
		{"path": "/f", "size": "5", "uploadid": "N1-x", "isdir": "0", "rtype": "3", "block_list": `["` + someMD5 + `"]`, "local_mtime": "1700000000"},
	} {
		q := got[i].URL.Query()
		assert.Equal(t, []string{"precreate", "create"}[i], q.Get("method"))
		assert.Equal(t, testToken, q.Get("jsToken"))
		assert.Equal(t, someMD5, q.Get("bdstoken"))
		for name, value := range want {
			assert.Equal(t, value, got[i].PostForm.Get(name), name)
		}
	}
	assert.Equal(t, "3", got[1].URL.Query().Get("rtype"), "create says rtype in both places")
	assert.Equal(t, "0", got[1].URL.Query().Get("isdir"))
	assert.Equal(t, Entry{FsID: 5, Path: "/f", Size: 5, MD5: someMD5, LocalMtime: time.Unix(1700000000, 0), ServerMtime: time.Unix(1732200100, 0)}, e)
}

func TestPrecreateAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		want         Precreated
		err          error
	}{
		{"needs a part", precreateOK, Precreated{UploadID: "N1-x", Needed: []int{0}}, nil},
		{"empty list is a claim, not a success", `{"errno":0,"uploadid":"N1-x","return_type":1,"block_list":[]}`, Precreated{UploadID: "N1-x", Claimed: true}, nil},
		{"no list asks for all", `{"errno":0,"uploadid":"N1-x"}`, Precreated{UploadID: "N1-x", Needed: []int{0}}, nil},
		{"known content", `{"errno":0,"return_type":2,"uploadid":"N1-x","block_list":[],"info":{"fs_id":5,"path":"/f","size":5,"md5":"` + someMD5 + `","isdir":0}}`,
			Precreated{UploadID: "N1-x", Done: &Entry{FsID: 5, Path: "/f", Size: 5, MD5: someMD5}}, nil},
		{"no uploadid", `{"errno":0,"return_type":1,"block_list":[0]}`, Precreated{}, ErrProtocol},
		{"another path", `{"errno":0,"uploadid":"N1-x","path":"/f(1)","block_list":[0]}`, Precreated{}, ErrProtocol},
		{"taken", `{"errno":-8}`, Precreated{}, ErrExist},
		{"name", `{"errno":-7}`, Precreated{}, ErrName},
		{"full", `{"errno":-10}`, Precreated{}, ErrNoSpace},
		{"plan", `{"errno":58}`, Precreated{}, ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(xpanPath, text(tc.answer))
			got, err := s.client(t).Precreate(t.Context(), onePart())
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestPrecreateLooksWhenKnownContentIsNotDescribed(t *testing.T) {
	s := newScript(t)
	s.on(xpanPath, text(`{"errno":0,"return_type":2}`))
	s.on("/api/filemetas", text(`{"errno":12,"info":[{"errno":-9,"path":"/f"}]}`), text(`{"errno":0,"info":[{"fs_id":5,"path":"/f","size":5,"isdir":0}]}`))
	c := s.client(t)
	_, err := c.Precreate(t.Context(), onePart())
	require.ErrorIs(t, err, ErrProtocol)
	got, err := c.Precreate(t.Context(), onePart())
	require.NoError(t, err)
	require.NotNil(t, got.Done)
	assert.EqualValues(t, 5, got.Done.FsID)
}

func TestUploadRequestsMustFitTheSize(t *testing.T) {
	c := newScript(t).client(t)
	for _, tc := range []struct {
		size   int64
		blocks int
		ok     bool
	}{{0, 1, true}, {0, 0, false}, {1, 1, true}, {4 << 20, 1, true}, {4<<20 + 1, 2, true}, {4<<20 + 1, 1, false}, {-1, 1, false}, {4*gib + 1, 513, true}} {
		err := checkUpload("create", "/f", tc.size, make([]string, tc.blocks))
		assert.Equal(t, tc.ok, err == nil, tc)
	}
	_, err := c.Create(t.Context(), CreateRequest{Path: "/", BlockList: []string{someMD5}})
	require.ErrorIs(t, err, ErrInvalid)
}

func TestCreateIsNotRepeatedWhenItsAnswerIsLost(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"connection cut", cut},
		{"gateway timeout", status(504)},
		{"a page", text("<html>")},
		{"half an answer", text(`{"errno":0,"fs_id":`)},
		{"an answer that describes nothing", text(`{"errno":0}`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(xpanPath, tc.answer)
			_, err := s.client(t).Create(t.Context(), oneFile())
			require.Error(t, err)
			assert.True(t, AmbiguousCreate(err), err)
			assert.Equal(t, 1, s.count(xpanPath))
		})
	}
}

func TestCreateGivenUpMidwayIsAmbiguous(t *testing.T) {
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.on(xpanPath, func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		cancel()
		<-r.Context().Done()
	})
	_, err := s.client(t).Create(ctx, oneFile())
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, AmbiguousCreate(err))
}

func TestCreateRefusalsAreClear(t *testing.T) {
	for answer, want := range map[string]error{
		`{"errno":-8}`: ErrExist, `{"errno":10}`: ErrPartMissing, `{"errno":31363}`: ErrPartMissing, `{"errno":31190}`: ErrUploadGone,
		`{"errno":-9}`: ErrUploadGone, `{"errno":-10}`: ErrNoSpace, `{"errno":31365}`: ErrTooLarge,
	} {
		s := newScript(t)
		s.on(xpanPath, text(answer))
		_, err := s.client(t).Create(t.Context(), oneFile())
		require.ErrorIs(t, err, want, answer)
		assert.False(t, AmbiguousCreate(err), answer)
		assert.Equal(t, 1, s.count(xpanPath), answer)
	}
}

func TestCreateIsRepeatedAfterAClearFailure(t *testing.T) {
	for _, answer := range []string{`{"errno":31355}`, `{"errno":111}`, `{"errno":31034}`, `{"errno":4000023}`} {
		s := newScript(t)
		tokenPages(s)
		s.on(xpanPath, text(createOK), text(answer), text(createOK))
		c := s.client(t)
		for range 2 {
			_, err := c.Create(t.Context(), oneFile())
			require.NoError(t, err, answer)
		}
		assert.Equal(t, 3, s.count(xpanPath), answer)
	}
}

// withHost makes locateupload name the server itself.
func (s *script) withHost() {
	s.on("/rest/2.0/pcs/file", text(fmt.Sprintf(locateAnswer, s.Listener.Addr().String())))
}

func TestUploadPartIsSentWholeAgain(t *testing.T) {
	s := newScript(t)
	s.withHost()
	good := func(w http.ResponseWriter, r *http.Request) {
		f, h, err := r.FormFile("file")
		if err != nil || h.Filename != "blob" || h.Header.Get("Content-Type") != "application/octet-stream" || r.ContentLength <= 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		content, _ := io.ReadAll(f)
		if string(content) != "hello world" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"md5":%q,"partseq":"0","request_id":1}`, strings.ToUpper(someMD5))
	}
	s.on(superfile, cut, status(503), text(`{"errno":0`), text("<html>"), text(`{"md5":"x"}`), good)
	opened, closed := 0, 0
	p := bytesPart("hello world")
	open := p.Open
	p.Open = func() (io.ReadCloser, error) {
		opened++
		r, err := open()
		return closeHook{r, func() { closed++ }}, err
	}
	digest, err := s.client(t).UploadPart(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, someMD5, digest)
	assert.Equal(t, 6, opened)
	assert.Equal(t, 6, closed, "every reader is closed when UploadPart returns")
	assert.Equal(t, 1, s.count("/rest/2.0/pcs/file"), "the host is remembered")
}

type closeHook struct {
	io.Reader
	hook func()
}

func (c closeHook) Close() error { c.hook(); return nil }

func TestUploadPartFailures(t *testing.T) {
	pcs := func(httpStatus, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(httpStatus)
			fmt.Fprintf(w, `{"error_code":%d,"error_msg":"x"}`, code)
		}
	}
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
		calls  int
	}{
		{"upload gone", pcs(400, 31190), ErrUploadGone, 1},
		{"signature", pcs(403, 31362), ErrUploadGone, 1},
		{"full", pcs(403, 31218), ErrNoSpace, 1},
		{"no cluster knows us", pcs(403, 31045), ErrLogin, maxClusters},
		{"never answers right", status(500), ErrServer, partTries},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.withHost()
			s.on(superfile, tc.answer)
			_, err := s.client(t).UploadPart(t.Context(), bytesPart("x"))
			require.ErrorIs(t, err, tc.want)
			assert.Equal(t, tc.calls, s.count(superfile))
		})
	}
}

func TestUploadPartDoesNotWaitForHours(t *testing.T) {
	s := newScript(t)
	s.withHost()
	s.on(superfile, status(429, "Retry-After", "3600"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.client(t).UploadPart(ctx, bytesPart("x"))
	require.ErrorIs(t, err, ErrThrottled)
	require.NoError(t, ctx.Err())
	assert.Equal(t, 1, s.count(superfile))
}

func TestUploadPartReportsItsOwnReader(t *testing.T) {
	s := newScript(t)
	s.withHost()
	s.on(superfile, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = w.Write([]byte(`{"md5":"` + someMD5 + `"}`))
		}
	})
	c := s.client(t)
	broken := errors.New("disk on fire")

	p := bytesPart("x")
	p.Open = func() (io.ReadCloser, error) { return nil, broken }
	_, err := c.UploadPart(t.Context(), p)
	require.ErrorIs(t, err, broken)

	p.Size = 1 << 20
	p.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), errReader{broken})), nil
	}
	_, err = c.UploadPart(t.Context(), p)
	require.ErrorIs(t, err, broken)

	p.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("too short")), nil }
	_, err = c.UploadPart(t.Context(), p)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestUploadPartStallEnds(t *testing.T) {
	s := newScript(t)
	s.withHost()
	s.on(superfile, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, text(`{"md5":"`+someMD5+`"}`))
	digest, err := s.client(t, func(cfg *Config) { cfg.ReadTimeout = 100 * time.Millisecond }).UploadPart(t.Context(), bytesPart("x"))
	require.NoError(t, err)
	assert.Equal(t, someMD5, digest)
	assert.Equal(t, 2, s.count(superfile))
}

// The whole part is in the buffers of the system at once; how long they take to empty does not show.
func TestUploadPartMayLeaveSlowly(t *testing.T) {
	s := newScript(t)
	s.withHost()
	s.on(superfile, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(400 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"md5":%q}`, someMD5)
	})
	part := bytesPart(strings.Repeat("x", slowestUplink))
	_, err := s.client(t, func(cfg *Config) { cfg.ReadTimeout = 100 * time.Millisecond }).UploadPart(t.Context(), part)
	require.NoError(t, err)
	assert.Equal(t, 1, s.count(superfile))
}

func TestUploadHosts(t *testing.T) {
	for _, tc := range []struct {
		name, base, answer string
		want               []string
	}{
		{"host and labels", "https://www.terabox.com", `{"host":"c-jp.terabox.com","server":["c-jp","c1-jp"],"expire":600}`,
			[]string{"https://c-jp.terabox.com", "https://c1-jp.terabox.com"}},
		{"a mirror", "https://www.1024terabox.com", `{"host":"c-jp.terabox.com"}`, []string{"https://c-jp.terabox.com"}},
		{"a foreign host is looked for at home", "https://www.terabox.com", `{"host":"c-jp.evil.example"}`, []string{"https://c-jp.terabox.com"}},
		{"addresses", "https://www.terabox.com", `{"host":"169.254.169.254","server":["127.0.0.1:80","[::1]:80"]}`, nil},
		{"downgrade", "https://www.terabox.com", `{"host":"http://c-jp.terabox.com"}`, []string{"https://c-jp.terabox.com"}},
		{"user information", "https://www.terabox.com", `{"host":"www.terabox.com@evil.example"}`, nil},
		{"path", "https://www.terabox.com", `{"host":"c-jp.terabox.com/x?y"}`, []string{"https://c-jp.terabox.com"}},
		{"odd labels", "https://www.terabox.com", `{"server":["a/b","..","C_1",5,null]}`, []string{"https://5.terabox.com"}},
		{"the emulator", "http://127.0.0.1:4455", `{"host":"127.0.0.1:4455"}`, []string{"http://127.0.0.1:4455"}},
		{"another port of it", "http://127.0.0.1:4455", `{"host":"127.0.0.1:4456","server":["c-jp"]}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTestClient(t, tc.base)
			var got []string
			var out struct {
				Host   flexText   `json:"host"`
				Server []flexText `json:"server"`
			}
			require.NoError(t, decode([]byte(tc.answer), &out))
			names := []string{string(out.Host)}
			for _, l := range out.Server {
				names = append(names, string(l))
			}
			for _, u := range c.usableHosts(names) {
				got = append(got, u.String())
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestNoUsableUploadHost(t *testing.T) {
	s := newScript(t)
	s.on("/rest/2.0/pcs/file", text(`{"host":"169.254.169.254"}`))
	_, err := s.client(t).UploadPart(t.Context(), bytesPart("x"))
	require.ErrorIs(t, err, ErrAddress)
}

func TestUploadHostExpires(t *testing.T) {
	clock := time.Unix(1_732_200_000, 0)
	u := newUploadHosts(func() time.Time { return clock }, time.Minute)
	defer u.locating.Close()
	located := 0
	locate := func(context.Context) ([]*url.URL, error) {
		located++
		hosts := []*url.URL{parse(t, "https://a.test"), parse(t, "https://b.test")}
		u.set(hosts, time.Hour)
		return hosts, nil
	}
	first, err := u.pick(t.Context(), 0, locate)
	require.NoError(t, err)
	second, err := u.pick(t.Context(), 1, locate)
	require.NoError(t, err)
	assert.NotEqual(t, first.Host, second.Host, "another turn, another host")
	u.reject(first)
	next, err := u.pick(t.Context(), 0, locate)
	require.NoError(t, err)
	assert.Equal(t, second.Host, next.Host)
	u.reject(second)
	_, err = u.pick(t.Context(), 0, locate)
	require.NoError(t, err)
	assert.Equal(t, 2, located)
	clock = clock.Add(time.Hour) // Config.Now's
	_, err = u.pick(t.Context(), 0, locate)
	require.NoError(t, err)
	assert.Equal(t, 3, located)
}

func TestUploadPartRedirects(t *testing.T) {
	for _, tc := range []struct {
		name, to string
		want     error
		calls    int
	}{
		{"login", "/login?from=superfile2", ErrLogin, 1},
		{"verification", "/simple-verify", ErrVerify, 1},
		{"somewhere else of the host", "/upload", ErrProtocol, partTries},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.withHost()
			s.on(superfile, status(http.StatusFound, "Location", tc.to))
			_, err := s.client(t).UploadPart(t.Context(), bytesPart("x"))
			require.ErrorIs(t, err, tc.want)
			assert.Equal(t, tc.calls, s.count(superfile))
		})
	}
}

// TestFailingLocateEndsEveryPart: locateupload has its own patience, which parts that wait for it
// share. It used to be spent anew for each of the twelve attempts at each part.
func TestFailingLocateEndsEveryPart(t *testing.T) {
	s := newScript(t)
	s.on("/rest/2.0/pcs/file", status(503))
	c := s.client(t)
	start := time.Now()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := c.UploadPart(t.Context(), bytesPart("x"))
			assert.ErrorIs(t, err, ErrServer)
		})
	}
	wg.Wait()
	assert.Less(t, time.Since(start), 10*quickBackoff().Elapsed, "one patience for all")
	assert.Zero(t, s.count(superfile))
	s.withHost()
	s.on(superfile, text(`{"md5":"`+someMD5+`"}`))
	_, err := c.UploadPart(t.Context(), bytesPart("x"))
	require.NoError(t, err, "and the next part asks again")
}

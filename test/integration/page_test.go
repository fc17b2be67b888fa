//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageLink matches the link that lets a browser in.
var pageLink = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{64}`)

// linkTo returns a link to the page of a mount, as 'teraboxfs status' prints it.
func linkTo(t testing.TB, m *Mount) string {
	t.Helper()
	out := teraboxfs(t, m.home, "status", m.Dir)
	link := pageLink.FindString(out.stdout)
	require.NotEmpty(t, link, "%s%s", out.stdout, out.stderr)
	return link
}

// hostileNames are names of files that a page must show as what they are.
var hostileNames = []string{`<img src=x onerror=alert(1)>.txt`, `"><svg onload=document.title='owned'>`, "\u202egnp.exe", "&lt;b&gt; 100%25.txt", "line\nbreak \x1b[31mred"}

// samplePNG is a picture of one colour.
func samplePNG(t testing.TB, c color.Color) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range 64 * 48 {
		img.Set(i%64, i/64, c)
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return out.Bytes()
}

// TestPage looks at the status page in a real browser.
func TestPage(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	b.prefers("light")
	emu := startEmulator(t)
	emu.put("/Pictures/red.png", samplePNG(t, color.RGBA{200, 30, 30, 255}))
	emu.put("/Pictures/blue.png", samplePNG(t, color.RGBA{30, 30, 200, 255}))
	emu.put("/Films/film.bin", content(7, 4<<20))
	for _, name := range hostileNames {
		emu.put("/odd/"+name, []byte("x"))
	}
	emu.set("shape", `{"latency":"20ms","bandwidth":1572864}`)
	m := mount(t, emu, "--http=127.0.0.1:0", "--commit=background")
	require.Contains(t, m.proc.stdout(), "its status page is http://127.0.0.1:")
	link := linkTo(t, m)
	place, _, _ := strings.Cut(link, "?")

	b.open(link)
	require.Equal(t, place, value[string](b, "location.href"), "the ticket is gone from the address")
	b.becomes("the page is live", `document.getElementById("link").textContent === "live"`)
	require.Equal(t, m.Dir, value[string](b, `document.getElementById("mountpoint").textContent`))

	pageWhileTransferring(t, b, m)
	pageShowsTheDrive(t, b)
	pageByKeyboard(t, b)
	pageLooks(t, b)
	assert.Empty(t, b.console(), "no error, and nothing that the policy had to stop")

	pageFromElsewhere(t, b, m, place)
	require.NoError(t, os.RemoveAll(m.Path("upload.bin")))
	m.Unmount()
	assert.NotContains(t, m.proc.stderr(), strings.SplitN(link, "=", 2)[1])
}

// pageWhileTransferring: figures move while bytes do.
func pageWhileTransferring(t *testing.T, b *browser, m *Mount) {
	value[bool](b, `(() => { // what was shown, however briefly
		window.moved = new Set();
		new MutationObserver(() => {
			for (const f of document.querySelectorAll(".tiles .figure")) if (/^[1-9].*\/s$/.test(f.textContent)) moved.add(f.id);
			if ([...document.querySelectorAll("#queue progress")].some(p => !p.hidden && p.value > 0)) moved.add("progress");
		}).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
		return true;
	})()`)
	done := make(chan error, 2)
	go func() { // ends with the copy
		_, err := os.ReadFile(m.Path("Films", "film.bin"))
		done <- err
	}()
	go func() { done <- os.WriteFile(m.Path("upload.bin"), content(8, 3<<20), 0o644) }() // ends with the write
	for _, what := range []string{"tile-fetched", "tile-read", "tile-written", "tile-sent", "tile-requests", "progress"} {
		b.becomes(what+" moves", `moved.has("`+what+`")`)
	}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	b.picture("transfer")
	b.becomes("the upload is over", `document.getElementById("tile-queue").textContent.startsWith("0 ")`)
	b.becomes("the chart has a line for what was fetched", `(() => {
		const c = document.querySelector("#chart canvas"), px = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		for (let i = 0; i < px.length; i += 4) if (px[i] === 0x2f && px[i+1] === 0x6f && px[i+2] === 0xb0 && px[i+3] === 255) return true;
		return false;
	})()`)
	b.becomes("a quarter of an hour adds up", `document.getElementById("tile-sent-note").textContent.startsWith("3.00 MiB in")`)
	b.becomes("the new file is listed by itself", `[...document.querySelectorAll("#entries .entry-name")].some(e => e.textContent === "upload.bin")`)
	b.becomes("the cache fills", `[...document.querySelectorAll("#meters progress")].some(p => p.value > 0)`)
}

// pageShowsTheDrive: the browser has thumbnails, and names are text, whatever they are.
func pageShowsTheDrive(t *testing.T, b *browser) {
	value[string](b, `location.hash = "#/Pictures"`)
	b.becomes("two thumbnails were loaded", `[...document.querySelectorAll("#entries img")].filter(i => i.complete && i.naturalWidth > 0).length === 2`)
	require.Empty(t, value[[]string](b, `[...document.querySelectorAll("[src],[href]")].map(e => new URL(e.src?.baseVal ?? e.src ?? e.href, location).origin).filter(o => o !== location.origin)`))
	value[string](b, `location.hash = "#/odd"`)
	b.becomes("the odd names are listed", `document.querySelectorAll("#entries .entry-name").length === 5`)
	names := value[[]string](b, `[...document.querySelectorAll("#entries .entry-name")].map(e => e.textContent)`)
	require.ElementsMatch(t, []string{`<img src=x onerror=alert(1)>.txt`, `"><svg onload=document.title='owned'>`, `\u202egnp.exe`, `&lt;b&gt; 100%25.txt`, `line\x0abreak \x1b[31mred`}, names)
	require.Zero(t, value[int](b, `document.querySelectorAll("#entries img, #entries svg, #entries b").length`))
	require.NotEqual(t, "owned", value[string](b, "document.title"))
	value[string](b, `location.hash = "#/"`)
	b.becomes("the root is listed", `[...document.querySelectorAll("#entries .entry-name")].some(e => e.textContent === "Films")`)
}

// pageByKeyboard: without a mouse one comes to the buttons and into a directory, and back.
func pageByKeyboard(t *testing.T, b *browser) {
	value[bool](b, `document.activeElement.blur(), true`)
	var order []string
	for range 40 {
		b.press(kb.Tab)
		at := value[string](b, `document.activeElement.id || document.activeElement.className`)
		order = append(order, at)
		if at == "opener" {
			break
		}
	}
	require.Subset(t, order, []string{"skip", "theme", "pause", "view", "refresh", "opener"})
	require.Equal(t, "Films", value[string](b, `document.activeElement.textContent`))
	b.press(kb.ArrowDown)
	require.Equal(t, "odd", value[string](b, `document.activeElement.textContent`))
	b.press(kb.ArrowUp)
	b.press(kb.Enter)
	b.becomes("Enter opens a directory", `document.querySelector("#entries .entry-name")?.textContent === "film.bin"`)
	value[bool](b, `document.querySelector("#entries .opener").focus(), true`)
	b.press(kb.Enter)
	b.becomes("Enter shows details", `document.getElementById("details").open && document.getElementById("details-fields").textContent.includes("/Films/film.bin")`)
	b.press(kb.Escape)
	b.becomes("Escape closes them", `!document.getElementById("details").open`)
	b.press(kb.Backspace)
	b.becomes("Backspace goes up", `location.hash === "#/"`)
}

// pageLooks: light and dark, by the system and by the toggle, and nothing to be scrolled sideways on a phone.
func pageLooks(t *testing.T, b *browser) {
	ground := func() string { return value[string](b, "getComputedStyle(document.body).backgroundColor") }
	b.prefers("light")
	light := ground()
	b.picture("light")
	b.prefers("dark")
	dark := ground()
	b.picture("dark")
	require.NotEqual(t, light, dark)
	value[bool](b, `document.getElementById("theme").click(), true`)
	require.Equal(t, light, ground(), "light was chosen")
	value[bool](b, `document.getElementById("theme").click(), true`)
	b.prefers("light")
	require.Equal(t, dark, ground(), "dark was chosen")
	value[bool](b, `document.getElementById("theme").click(), true`)
	value[string](b, `location.hash = "#/Pictures"`)
	b.resize(390, 844)
	b.becomes("the charts fit", `[...document.querySelectorAll(".u-wrap")].every(e => e.clientWidth <= 390)`)
	b.picture("phone")
	assert.LessOrEqual(t, value[int](b, "document.documentElement.scrollWidth"), 390)
	b.resize(1280, 900)
}

// pageFromElsewhere: another site that the user looks at can neither change nor read anything.
func pageFromElsewhere(t *testing.T, b *browser, m *Mount, place string) {
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>elsewhere</title>"))
	}))
	defer evil.Close()
	b.open(evil.URL)
	tried := value[[]string](b, `Promise.all([
		fetch("`+place+`api/queue", {method: "POST", mode: "no-cors", credentials: "include", body: '{"op":"pause"}'}).then(r => r.type, e => "refused"),
		fetch("`+place+`api/queue", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: '{"op":"pause"}'}).then(r => "read", e => "refused"),
		fetch("`+place+`api/list?path=/", {credentials: "include"}).then(r => "read", e => "refused"),
		new Promise(done => { const i = new Image(); i.onload = () => done("seen"); i.onerror = () => done("refused"); i.src = "`+place+`assets/icon.svg"; }),
		new Promise(done => { const s = new EventSource("`+place+`api/events", {withCredentials: true}); s.onopen = () => done("read"); s.onerror = () => done("refused"); }),
	])`)
	require.Subset(t, []string{"refused", "opaque"}, tried[:1], "what a no-cors request brought cannot be read")
	require.Equal(t, []string{"refused", "refused", "refused", "refused"}, tried[1:])
	require.False(t, paused(t, m))

	client := &http.Client{Timeout: 10 * time.Second}
	for host, want := range map[string]int{"evil.example": http.StatusForbidden, "evil.example:9377": http.StatusForbidden, "": http.StatusUnauthorized} {
		req, err := http.NewRequest(http.MethodGet, place, nil)
		require.NoError(t, err)
		req.Host = host
		resp, err := client.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, "Host: %s", host)
	}
	client.CloseIdleConnections()

	b.open(place)
	b.becomes("its own page has the cookie", `document.getElementById("link")?.textContent === "live"`)
	value[bool](b, `document.getElementById("pause").click(), true`)
	eventually(t, 10*time.Second, "the page's own button pauses", func() error {
		if !paused(t, m) {
			return assert.AnError
		}
		return nil
	})
}

// paused reports whether a mount says that its uploads are.
func paused(t testing.TB, m *Mount) bool {
	t.Helper()
	var status struct {
		Staging struct {
			Paused bool `json:"paused"`
		} `json:"staging"`
	}
	require.NoError(t, json.Unmarshal([]byte(teraboxfs(t, m.home, "status", "--json", m.Dir).stdout), &status))
	return status.Staging.Paused
}

//go:build linux

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is a tab of a headless Chromium.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu   sync.Mutex
	said []string // guarded by mu; what the console was told, errors and violations of policies among it
}

// openBrowser starts a Chromium until the end of the test, which is skipped where none is installed.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-gpu", true), chromedp.UserDataDir(tempDir(t)))
	ctx, end := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(end)
	ctx, end = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	b := &browser{t: t, ctx: ctx}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)))
	var listening sync.WaitGroup
	listening.Go(func() { // ends with the tab
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.said = append(b.said, fmt.Sprintf("%s %s: %s %s", m.Type, m.Source, m.Text, m.URL))
			b.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		end()
		listening.Wait()
	})
	return b
}

// console returns what was said since it was last asked.
func (b *browser) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

func (b *browser) open(address string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(address)))
}

// value evaluates an expression of JavaScript, and waits for it if it is a promise.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, "%s", expression)
	return v
}

// becomes waits until an expression is true.
func (b *browser) becomes(what, expression string) {
	b.t.Helper()
	eventually(b.t, 20*time.Second, what, func() error {
		if !value[bool](b, expression) {
			return fmt.Errorf("%s is false; the page says %.1500s", expression, value[string](b, "document.body.innerText"))
		}
		return nil
	})
}

// press sends keys to what has the focus.
func (b *browser) press(keys string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
}

// prefers sets the colours that the system asks for: "light" or "dark".
func (b *browser) prefers(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(b.t, err)
}

// resize makes the window another one; narrower than 500 pixels it is a phone's.
func (b *browser) resize(width, height int64) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
	require.NoError(b.t, err)
}

// picture keeps a picture of the whole page in the directory $PAGE_SHOTS, if there is one: make page-test.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

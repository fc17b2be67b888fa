package page

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	pictureLimit  = 512 << 10               // bytes of a picture
	pictureMemory = 16 << 20                // bytes of all that are remembered
	pictureTime   = 15 * time.Second        // for one to come
	picturesAhead = 6                       // that are fetched at a time
	noPictureLife = 5 * time.Minute         // how long it is remembered that there is none
	pictureAge    = "private, max-age=3600" // in the browser: the address names the version
)

// pictureKinds are the formats that a browser is given, as net/http finds them in the bytes. What the service calls them does not count.
var pictureKinds = []string{"image/jpeg", "image/png", "image/webp", "image/gif"}

// pictures fetches thumbnails and remembers the last ones.
type pictures struct {
	ctx     context.Context // of the server
	src     Source
	flights singleflight.Group
	slots   *semaphore.Weighted

	mu    sync.Mutex
	held  int                // guarded by mu; bytes in known
	known map[string]picture // guarded by mu; by version and size
	order []string           // guarded by mu; keys of known, the oldest first
}

// picture is a thumbnail, or that there is none.
type picture struct {
	kind string // "": none
	data []byte
	at   time.Time
}

func newPictures(ctx context.Context, src Source) *pictures {
	return &pictures{ctx: ctx, src: src, slots: semaphore.NewWeighted(picturesAhead), known: make(map[string]picture)}
}

// serve answers the thumbnail of the version v of a file.
func (p *pictures) serve(w http.ResponseWriter, r *http.Request) {
	path, err := pathOf(r)
	version := r.URL.Query().Get("v")
	if err != nil || version == "" {
		complain(w, errRequest)
		return
	}
	pic, err := p.get(path, version, r.URL.Query().Get("size") == "large")
	switch {
	case err != nil:
		complain(w, err)
		return
	case pic.kind == "":
		writeJSON(w, http.StatusNotFound, complaint{Error: ErrNoPicture.Error()})
		return
	}
	h := w.Header()
	h.Set("Content-Type", pic.kind)
	h.Set("Content-Length", strconv.Itoa(len(pic.data)))
	h.Set("Cache-Control", pictureAge)
	_, _ = w.Write(pic.data) // who asked may have gone
}

// get returns a picture that is remembered, or fetches it, once for all who ask: by the request of the first one, which goes on when that
// one goes away, and ends with the server.
func (p *pictures) get(path, version string, large bool) (picture, error) {
	key := version + " " + strconv.FormatBool(large)
	if pic, ok := p.recall(key); ok {
		return pic, nil
	}
	pic, err, _ := p.flights.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(p.ctx, pictureTime)
		defer cancel()
		return p.fetch(ctx, key, path, version, large)
	})
	if err != nil {
		return picture{}, err
	}
	return pic.(picture), nil
}

func (p *pictures) fetch(ctx context.Context, key, path, version string, large bool) (picture, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return picture{}, err
	}
	defer p.slots.Release(1)
	data, err := p.src.Thumbnail(ctx, path, version, large)
	pic := picture{at: time.Now()}
	switch {
	case errors.Is(err, ErrNoPicture):
	case err != nil:
		return picture{}, err
	default:
		if kind := http.DetectContentType(data); slices.Contains(pictureKinds, kind) && len(data) <= pictureLimit {
			pic.kind, pic.data = kind, data
		}
	}
	p.remember(key, pic)
	return pic, nil
}

func (p *pictures) recall(key string) (picture, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pic, ok := p.known[key]
	return pic, ok && (pic.kind != "" || time.Since(pic.at) < noPictureLife)
}

// pictureCost is what a picture without bytes counts.
const pictureCost = 256

// remember keeps a picture, and forgets the oldest ones beyond pictureMemory.
func (p *pictures) remember(key string, pic picture) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.known[key]; ok {
		p.held -= len(old.data) + pictureCost
		p.order = slices.DeleteFunc(p.order, func(k string) bool { return k == key })
	}
	p.known[key] = pic
	p.order = append(p.order, key)
	p.held += len(pic.data) + pictureCost
	for p.held > pictureMemory {
		oldest := p.order[0]
		p.held -= len(p.known[oldest].data) + pictureCost
		delete(p.known, oldest)
		p.order = p.order[1:]
	}
}

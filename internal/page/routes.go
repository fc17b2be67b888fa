package page

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// bodyLimit bounds a request: an operation and some paths.
const bodyLimit = 64 << 10

// routes is what a guard has let through. ctx ends with the server.
func routes(ctx context.Context, src Source, token string) http.Handler {
	mux := http.NewServeMux()
	assets := newAssets(token)
	mux.HandleFunc("GET /{$}", assets.index)
	mux.HandleFunc("GET /assets/{name...}", assets.serve)
	mux.HandleFunc("GET /api/events", (&events{src}).serve)
	mux.HandleFunc("GET /api/list", answer(src, list))
	mux.HandleFunc("GET /api/info", answer(src, info))
	mux.HandleFunc("GET /api/thumb", newPictures(ctx, src).serve)
	mux.HandleFunc("POST /api/queue", change(src, queue))
	mux.HandleFunc("POST /api/refresh", change(src, refresh))
	mux.HandleFunc("POST /api/cache", keep(src))
	return mux
}

// complaint is what is answered in place of what was asked for.
type complaint struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// answer serves what do returns for a request.
func answer[A any](src Source, do func(Source, *http.Request) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := do(src, r)
		if err != nil {
			complain(w, err)
			return
		}
		writeJSON(w, http.StatusOK, a)
	}
}

// change serves what do returns for the JSON of a POST.
func change[R, A any](src Source, do func(Source, *http.Request, R) (A, error)) http.HandlerFunc {
	return answer(src, func(src Source, r *http.Request) (A, error) {
		req, err := decode[R](r)
		if err != nil {
			var none A
			return none, err
		}
		return do(src, r, req)
	})
}

// errRequest is wrapped by every error about the form of a request.
var errRequest = errors.New("the request is not understood")

// decode reads the JSON of a POST. A form of another site cannot have this type.
func decode[R any](r *http.Request) (req R, err error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return req, errRequest
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, bodyLimit))
	d.DisallowUnknownFields()
	if d.Decode(&req) != nil {
		return req, errRequest
	}
	return req, nil
}

func complain(w http.ResponseWriter, err error) {
	var no *control.Refusal
	switch {
	case errors.Is(err, errRequest):
		writeJSON(w, http.StatusBadRequest, complaint{Error: err.Error()})
	case !errors.As(err, &no):
		writeJSON(w, http.StatusBadGateway, complaint{Error: err.Error()})
	case no.Code == 3:
		writeJSON(w, http.StatusNotFound, complaint{no.Msg, no.Hint})
	default:
		writeJSON(w, http.StatusBadGateway, complaint{no.Msg, no.Hint})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked may have gone
}

// refuse answers for the guard: a page to who opens one, else JSON.
func refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		writeClosed(w, status, why)
		return
	}
	writeJSON(w, status, complaint{Error: why})
}

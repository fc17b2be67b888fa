package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// object is a JSON object of an answer.
type object = map[string]any

// answer sends obj as HTTP 200 with the fields all /api answers have: errno (0 unless obj has one), request_id and server_time.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, obj object) {
	if _, ok := obj["errno"]; !ok {
		obj["errno"] = 0
	}
	if _, ok := obj["server_time"]; !ok {
		obj["server_time"] = s.cfg.Now().Unix()
	}
	s.sendJSON(w, r, http.StatusOK, obj)
}

// fail sends an errno the /api way: HTTP 200, errno, errmsg and the empty fields that go with them. An error that is not an errno
// is logged and answered as 1.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := s.codeOf(r, err)
	s.answer(w, r, object{"errno": int(code), "errmsg": code.text(), "newno": "", "show_msg": ""})
}

// failPCS sends an error_code the way of the PCS and download hosts, with a real HTTP status.
func (s *Server) failPCS(w http.ResponseWriter, r *http.Request, status int, err error) {
	code := s.codeOf(r, err)
	s.sendJSON(w, r, status, object{"error_code": int(code), "error_msg": code.text()})
}

// codeOf finds the errno in err.
func (s *Server) codeOf(r *http.Request, err error) errno {
	var code errno
	if errors.As(err, &code) {
		return code
	}
	s.cfg.Log.Error("emulator", "path", r.URL.Path, "err", err)
	return errSystem
}

// logID is the log id of a request, 20 digits.
func logID(r *http.Request) string { return fmt.Sprintf("8%019d", callOf(r).id) }

// sendJSON sends obj with a request_id. Under the fault string-numbers its integers, all but error numbers, become strings.
func (s *Server) sendJSON(w http.ResponseWriter, r *http.Request, status int, obj object) {
	if _, ok := obj["request_id"]; !ok {
		obj["request_id"] = callOf(r).id
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(obj); err != nil {
		s.cfg.Log.Error("emulator: encode answer", "path", r.URL.Path, "err", err)
		http.Error(w, "encode", http.StatusInternalServerError)
		return
	}
	body := buf.Bytes()
	if s.faulted(r, "string-numbers") {
		body = stringNumbers(body)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Logid", logID(r))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no concern of the service
}

// stringNumbers rewrites a JSON document so that its integers are strings, except errno and error_code.
func stringNumbers(doc []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return doc
	}
	out, err := json.Marshal(quoteNumbers("", v))
	if err != nil {
		return doc
	}
	return out
}

// quoteNumbers returns v, found under key, with numbers turned into strings.
func quoteNumbers(key string, v any) any {
	switch v := v.(type) {
	case json.Number:
		if key == "errno" || key == "error_code" {
			return v
		}
		return v.String()
	case map[string]any:
		for k, item := range v {
			v[k] = quoteNumbers(k, item)
		}
	case []any:
		for i, item := range v {
			v[i] = quoteNumbers(key, item)
		}
	}
	return v
}

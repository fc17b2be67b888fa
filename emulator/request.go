package emulator

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxForm bounds a body that is parsed as parameters.
const maxForm = 32 << 20

// params are the parameters of a call, which the service takes from the query or the body alike.
type params struct {
	query, body url.Values
}

// get returns the parameter key, from the query if it is there, else from the body; "" if it is in neither.
func (p params) get(key string) string {
	if p.query.Has(key) {
		return p.query.Get(key)
	}
	return p.body.Get(key)
}

// has tells whether the parameter was sent and is not empty.
func (p params) has(key string) bool { return p.get(key) != "" }

// integer returns the parameter as a decimal number, or def if it is absent or malformed.
func (p params) integer(key string, def int64) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(p.get(key)), 10, 64)
	if err != nil {
		return def
	}
	return n
}

// decode parses the parameter as JSON into v. White space may be written as "+", as form encoders do.
func (p params) decode(key string, v any) error {
	text := p.get(key)
	if text == "" {
		return fmt.Errorf("parameter %s is missing: %w", key, errParam)
	}
	if err := json.Unmarshal(plusToSpace(text), v); err != nil {
		return fmt.Errorf("parameter %s: %v: %w", key, err, errParam)
	}
	return nil
}

// ids parses a JSON array of fs_ids, whose items may be numbers or strings.
func (p params) ids(key string) ([]int64, error) {
	var raw []json.RawMessage
	if err := p.decode(key, &raw); err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(raw))
	for _, item := range raw {
		id, err := strconv.ParseInt(strings.Trim(string(item), `"`), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %v: %w", key, err, errParam)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// plusToSpace turns every "+" outside the strings of a JSON text into a space. JSON has none there, except inside exponents,
// which no call of the service uses.
func plusToSpace(text string) []byte {
	out := []byte(text)
	inString := false
	for i := 0; i < len(out); i++ {
		switch {
		case inString && out[i] == '\\':
			i++
		case out[i] == '"':
			inString = !inString
		case !inString && out[i] == '+':
			out[i] = ' '
		}
	}
	return out
}

// parseBody reads a small body and parses it by its content, whatever its Content-Type says: multipart if it begins with a
// boundary line, else urlencoded. An absent body has no parameters.
func (s *Server) parseBody(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if boundary, ok := boundaryOf(data); ok {
		return parseMultipart(data, boundary)
	}
	return parseForm(string(data), s.cfg.PlusIsSpace), nil
}

// boundaryOf returns the boundary of a body that looks like multipart/form-data: a line "--boundary", then a part header.
func boundaryOf(data []byte) (string, bool) {
	line, rest, found := bytes.Cut(data, []byte("\r\n"))
	const header = "content-"
	if !found || !bytes.HasPrefix(line, []byte("--")) || len(rest) < len(header) {
		return "", false
	}
	return string(line[2:]), strings.EqualFold(string(rest[:len(header)]), header)
}

// parseMultipart returns the fields of a multipart/form-data body; files are taken as fields.
func parseMultipart(data []byte, boundary string) (url.Values, error) {
	values := url.Values{}
	reader := multipart.NewReader(bytes.NewReader(data), boundary)
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return values, fmt.Errorf("multipart body: %w", err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return values, fmt.Errorf("multipart body: %w", err)
		}
		values.Add(part.FormName(), string(text))
	}
}

// parseForm splits an urlencoded body or query. Escapes that are malformed stand for themselves, as in PHP.
func parseForm(text string, plusIsSpace bool) url.Values {
	values := url.Values{}
	for _, pair := range strings.Split(strings.TrimSpace(text), "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		values.Add(unescape(key, plusIsSpace), unescape(value, plusIsSpace))
	}
	return values
}

// unescape decodes one key or value of a form.
func unescape(text string, plusIsSpace bool) string {
	if plusIsSpace {
		text = strings.ReplaceAll(text, "+", " ")
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if b, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				out = append(out, b...)
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}

package remote

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		cursor, answer string
		want           Changes
		wrong          error
	}{
		"first": {"", `{"errno":0,"entries":{"/a":{"fs_id":"7","path":"/a","isdir":1}},"cursor":"c1","has_more":1,"reset":true}`,
			Changes{Here: []Entry{{FsID: 7, Path: "/a", IsDir: true}}, Cursor: "c1", More: true, Reset: true}, nil},
		"gone": {"c1", `{"errno":0,"entries":{"/a":{"fs_id":7,"path":"/a","isdelete":1}},"cursor":"c2","has_more":false,"reset":false}`,
			Changes{Gone: []string{"/a"}, Cursor: "c2"}, nil},
		"nothing, as PHP writes it": {"c1", `{"errno":0,"entries":[],"cursor":"c1"}`, Changes{Cursor: "c1"}, nil},
		"half an entry": {"c1", `{"errno":0,"entries":{"/a":{"path":"/a"},"/b":3,"x":{},"/":{}},"cursor":"c2"}`,
			Changes{Unclear: []string{"/a", "/b"}, Cursor: "c2"}, nil},
		"no cursor":  {"c1", `{"errno":0,"entries":{}}`, Changes{}, ErrProtocol},
		"no entries": {"c1", `{"errno":0,"cursor":"c2"}`, Changes{}, ErrProtocol},
		"a list":     {"c1", `{"errno":0,"entries":[{"path":"/a"}],"cursor":"c2"}`, Changes{}, ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/filediff", func(w http.ResponseWriter, r *http.Request) {
				want := map[string]string{"": "null", "c1": "c1"}[tc.cursor]
				assert.Equal(t, want, r.PostFormValue("cursor"))
				assert.Equal(t, tc.cursor == "", r.PostFormValue("c") == "full")
				assert.True(t, json.Valid([]byte(tc.answer)))
				_, _ = w.Write([]byte(tc.answer))
			})
			got, err := s.client(t).Changes(t.Context(), tc.cursor)
			if tc.wrong != nil {
				require.ErrorIs(t, err, tc.wrong)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

// dlMaxBody bounds the body of a request: one URL in JSON.
const dlMaxBody = 64 << 10

// dlFile is one file of an extraction, in the shape of the public document.
type dlFile struct {
	FsID              int64             `json:"fs_id"`
	Name              string            `json:"server_filename"`
	Size              int64             `json:"size"`
	FormattedSize     string            `json:"formatted_size"`
	DirectLink        string            `json:"direct_link"`
	StreamURL         string            `json:"stream_url,omitempty"`          // videos only
	StreamDownloadURL string            `json:"stream_download_url,omitempty"` // videos only
	Thumbs            map[string]string `json:"thumbs"`
}

// dlAnswer is a successful extraction, in the shape of the public document.
type dlAnswer struct {
	Errno      int      `json:"errno"`
	RequestID  int64    `json:"request_id"` // unix microseconds
	ServerTime int64    `json:"server_time"`
	List       []dlFile `json:"list"`
	ShareID    int64    `json:"share_id"`
	UK         int64    `json:"uk"`
	Title      string   `json:"title"`
	TotalBytes int64    `json:"total_size_bytes"`
	TotalSize  string   `json:"total_size"`
}

// api is the paid endpoint: signature, rate, body, allowance, extraction, in this order. Whatever
// was signed correctly is remembered in the history.
func (d *dlService) api(w http.ResponseWriter, r *http.Request) {
	start := d.now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, dlMaxBody))
	if err != nil {
		dlErrorf(http.StatusBadRequest, "Request body too large or broken off").write(w)
		return
	}
	if err := d.checkSignature(r, body); err != nil {
		err.write(w)
		return
	}
	link, ans, refusal := "", (*dlAnswer)(nil), d.takeRate()
	if refusal == nil && !saysJSON(r) {
		refusal = dlErrorf(http.StatusBadRequest, "Missing JSON data: Content-Type is not application/json")
	}
	if refusal == nil {
		link, refusal = parseDLBody(body)
	}
	if refusal == nil {
		refusal = d.checkDaily()
	}
	if refusal == nil {
		ans, refusal = d.extract(r, link)
	}
	if err := d.remember(d.record(r, start, link, ans, refusal)); err != nil && refusal == nil {
		refusal = dlErrorf(http.StatusInternalServerError, "%v", err)
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	writeDL(w, ans)
}

// test is the free endpoint: no signature, three calls a day and address.
func (d *dlService) test(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, dlMaxBody))
	if err != nil {
		dlErrorf(http.StatusBadRequest, "Request body too large or broken off").write(w)
		return
	}
	link, refusal := parseDLBody(body)
	if refusal == nil {
		refusal = checkDLLink(r, link)
	}
	if refusal == nil {
		refusal = d.takeTest(r)
	}
	var ans *dlAnswer
	if refusal == nil {
		ans, refusal = d.extract(r, link)
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	writeDL(w, ans)
}

// saysJSON tells whether the request has the Content-Type that the public document requires.
func saysJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// parseDLBody returns the url field of a body.
func parseDLBody(body []byte) (string, *dlError) {
	if len(bytes.TrimSpace(body)) == 0 {
		return "", dlErrorf(http.StatusBadRequest, "Missing JSON data")
	}
	var req struct {
		URL *string `json:"url"`
	}
	if json.Unmarshal(body, &req) != nil {
		return "", dlErrorf(http.StatusBadRequest, "Invalid JSON data")
	}
	if req.URL == nil || *req.URL == "" {
		return "", dlErrorf(http.StatusBadRequest, "Missing url field")
	}
	return *req.URL, nil
}

func checkDLLink(r *http.Request, link string) *dlError {
	if _, _, err := parseShareURL(link, r.Host); err != nil {
		return dlErrorf(http.StatusBadRequest, "Invalid TeraBox URL")
	}
	return nil
}

// extract lists every file of a share, folders flattened. A share that cannot be opened is a 500,
// the document's "cannot process the request successfully".
func (d *dlService) extract(r *http.Request, link string) (*dlAnswer, *dlError) {
	key, password, err := parseShareURL(link, r.Host)
	if err != nil {
		return nil, dlErrorf(http.StatusBadRequest, "Invalid TeraBox URL")
	}
	sh, ok := d.share(key)
	switch {
	case !ok:
		return nil, dlErrorf(http.StatusInternalServerError, "Could not extract: the link does not exist")
	case sh.usable() != nil:
		return nil, dlErrorf(http.StatusInternalServerError, "Could not extract: the link is cancelled or expired")
	case sh.Password != password:
		return nil, dlErrorf(http.StatusInternalServerError, "Could not extract: the link is password protected")
	}
	now := d.now()
	ans := &dlAnswer{
		RequestID: now.UnixMicro(), ServerTime: now.Unix(), List: []dlFile{},
		ShareID: sh.id, UK: sh.drive.uk, Title: sh.title(),
	}
	for _, e := range sh.files() {
		ans.List = append(ans.List, d.file(r, sh, e))
		ans.TotalBytes += e.Size
	}
	ans.TotalSize = formatSize(ans.TotalBytes)
	return ans, nil
}

// file describes one file with its links.
func (d *dlService) file(r *http.Request, sh *share, e entry) dlFile {
	f := dlFile{
		FsID: e.ID, Name: e.Name, Size: e.Size, FormattedSize: formatSize(e.Size),
		DirectLink: d.link(r, "file", sh, e), Thumbs: map[string]string{},
	}
	category := categoryOf(e.Name)
	if category == 1 {
		f.StreamURL, f.StreamDownloadURL = d.link(r, "stream", sh, e), d.link(r, "file", sh, e)
	}
	names := []string{"icon"}
	if category == 1 || category == 3 {
		names = []string{"url1", "url2", "url3", "icon"}
	}
	for _, name := range names {
		f.Thumbs[name] = d.thumbLink(r, sh, e, name)
	}
	return f
}

// record describes a finished request for the history.
func (d *dlService) record(r *http.Request, start time.Time, link string, ans *dlAnswer, refusal *dlError) dlRecord {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	rec := dlRecord{
		RequestID: start.UnixMicro(), CreatedAt: start.UTC(), Endpoint: r.URL.Path, URL: link, IP: ip,
		Status: "error", HTTPStatus: http.StatusOK, Millis: float64(d.now().Sub(start).Microseconds()) / 1000,
	}
	if refusal != nil {
		rec.HTTPStatus, rec.Error = refusal.status, refusal.text
		return rec
	}
	rec.Status, rec.RequestID, rec.Title = "success", ans.RequestID, ans.Title
	rec.FileCount, rec.TotalSize = len(ans.List), ans.TotalBytes
	return rec
}

// formatSize writes a size as the service does: two decimals and a binary unit called KB, MB, ...
func formatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KB", "MB", "GB"} {
		if v /= 1024; v < 1024 {
			return fmt.Sprintf("%.2f %s", v, unit)
		}
	}
	return fmt.Sprintf("%.2f TB", v/1024)
}

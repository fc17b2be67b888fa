package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "directory to serve")
	latency := flag.Duration("latency", 0, "round trip added to every answer and new connection")
	bandwidth := flag.Int64("bandwidth", 0, "bytes a second of each connection and direction; 0 is no limit")
	flag.Parse()
	if err := serve(*dir, link{latency: *latency, bandwidth: *bandwidth}); err != nil {
		fmt.Fprintln(os.Stderr, "fileserver:", err)
		os.Exit(1)
	}
}

// serve answers on a free port of this machine until the process ends.
func serve(dir string, l link) error {
	if l.latency < 0 || l.bandwidth < 0 {
		return errors.New("negative latency or bandwidth")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	download, upload := http.FileServer(http.Dir(dir)), uploads(dir)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			download.ServeHTTP(w, r)
		} else {
			upload.ServeHTTP(w, r)
		}
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	return server.Serve(shape(listener, l))
}

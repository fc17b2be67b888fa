// Fileserver serves a directory by plain HTTP, and takes files into it by WebDAV, over a link of a given latency and bandwidth: what `make bench-peers` puts
// behind rclone, so that it reads and writes what teraboxfs does at the emulator over a link of the same model.
//
// The model is the emulator's, written again from its description, and a test holds the two against each other: a new
// connection pays a round trip before its first byte is read, each answer one before its first byte is written, and every
// connection has its own bandwidth in each direction. While nothing is shaped files go out by sendfile.
//
// The first line on standard output is "listening on http://127.0.0.1:PORT". It ends with SIGTERM.
package main

package main

import (
	"embed"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

// topicFiles are texts of 'teraboxfs help TOPIC': a line that says what it is about, and the text.
//
//go:embed topics/*.txt
var topicFiles embed.FS

// topicCommands are commands that do nothing: cobra lists them as further topics of help.
func topicCommands() []*cobra.Command {
	files, err := topicFiles.ReadDir("topics")
	if err != nil {
		panic(err) // they are part of the program
	}
	var all []*cobra.Command
	for _, f := range files {
		text, err := topicFiles.ReadFile(path.Join("topics", f.Name()))
		if err != nil {
			panic(err)
		}
		short, long, _ := strings.Cut(string(text), "\n")
		all = append(all, &cobra.Command{Use: strings.TrimSuffix(f.Name(), ".txt"), Short: short, Long: short + "\n\n" + strings.TrimSuffix(long, "\n")})
	}
	return all
}

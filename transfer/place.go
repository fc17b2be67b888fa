package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/teraboxfs/teraboxfs/remote"
)

// look returns what is at a path of the drive. The root is a directory of which the service knows nothing else.
func look(ctx context.Context, src Source, p string) (remote.Entry, error) {
	if p == "/" {
		return remote.Entry{Path: "/", IsDir: true}, nil
	}
	return src.Stat(ctx, p)
}

// localTarget is where each of the sources goes on this machine, by the rule of cp -r: into to when that is a directory, to be to when it is not
// there. into is what they are called there.
func localTarget(to string, sources int) (place func(name string) string, err error) {
	info, err := os.Stat(to)
	switch {
	case err == nil && info.IsDir():
		return func(name string) string { return filepath.Join(to, name) }, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	case sources > 1 || strings.HasSuffix(to, "/"):
		return nil, fmt.Errorf("%s: %w", to, ErrNotDir)
	}
	return func(string) string { return filepath.Clean(to) }, nil
}

// Target is localTarget for a place on the drive. taken is what is there when it is not a directory that receives the sources.
func Target(ctx context.Context, src Source, to string, sources int) (place func(name string) string, taken *remote.Entry, err error) {
	clean := path.Clean(to)
	e, err := look(ctx, src, clean)
	switch {
	case err == nil && e.IsDir:
		return func(name string) string { return path.Join(clean, name) }, nil, nil
	case err != nil && !errors.Is(err, remote.ErrNotExist):
		return nil, nil, err
	case sources > 1 || strings.HasSuffix(to, "/"):
		return nil, nil, fmt.Errorf("%s: %w", to, ErrNotDir)
	}
	if err == nil {
		taken = &e
	}
	return func(string) string { return clean }, taken, nil
}

// names returns what a directory of a drive has, by name.
func names(ctx context.Context, src Source, dir string) (map[string]*remote.Entry, error) {
	all := make(map[string]*remote.Entry)
	for page, err := range src.List(ctx, dir) {
		if err != nil {
			return nil, err
		}
		for i := range page {
			all[page[i].Name()] = &page[i]
		}
	}
	return all, nil
}

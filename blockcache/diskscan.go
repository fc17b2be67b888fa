package blockcache

import (
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// found is what a sidecar of an earlier process says.
type found struct {
	header    sidecarHeader
	used      time.Time
	records   []byte
	allocated int64 // bytes that data file and sidecar take on disk
}

// What the files are called. The rest of the directory is not ours to touch.
var (
	shardName  = regexp.MustCompile(`^[0-9a-f]{2}$`)
	objectName = regexp.MustCompile(`^([0-9a-f]{32})\.(data|meta)$`)
)

// scan returns what earlier processes left, oldest use first. What is damaged, of another version or
// not a file is removed, and what cannot be read is left alone: in the cache both are a miss.
func (s *diskStore) scan() ([]found, error) {
	shards, err := iofs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var all []found
	for _, shard := range shards {
		if !shardName.MatchString(shard.Name()) {
			continue
		}
		info, err := shard.Info()
		if err != nil {
			return nil, err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
			return nil, fmt.Errorf("%s in it is not a directory of this user", shard.Name())
		}
		if files, err := iofs.ReadDir(s.root.FS(), shard.Name()); err == nil {
			all = append(all, s.scanShard(shard.Name(), files)...)
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	return all, nil
}

// scanShard reads the sidecars of one directory.
func (s *diskStore) scanShard(shard string, files []iofs.DirEntry) []found {
	var all []found
	kept := make(map[string]bool)
	for _, file := range files {
		name := objectName.FindStringSubmatch(file.Name())
		if name == nil || name[2] != metaSuffix[1:] {
			continue
		}
		if f, ok := s.load(shard + "/" + name[1]); ok {
			kept[name[1]] = true
			all = append(all, f)
		}
	}
	for _, file := range files {
		if name := objectName.FindStringSubmatch(file.Name()); name != nil && !kept[name[1]] {
			_ = s.root.Remove(shard + "/" + file.Name()) // what is not removed is not used either
		}
	}
	return all
}

// load reads one sidecar; ok is false when it is of no use.
func (s *diskStore) load(stem string) (f found, ok bool) {
	data, err := s.root.Lstat(stem + dataSuffix)
	if err != nil || !own(data) {
		return found{}, false
	}
	meta, err := s.open(stem+metaSuffix, os.O_RDONLY)
	if err != nil {
		return found{}, false
	}
	defer meta.Close()
	info, err := meta.Stat()
	if err != nil {
		return found{}, false
	}
	head, err := readUpTo(meta, 0, headerSize+maxTextLength)
	if err != nil {
		return found{}, false
	}
	h, err := decodeHeader(head)
	if err != nil || diskName(idSum(h.id)) != stem {
		return found{}, false
	}
	grains := grainSize.Count(min(h.id.size, data.Size())) // what is beyond is not there
	records, err := readUpTo(meta, h.length(), min(grains*recordSize, max(0, info.Size()-h.length())))
	if err != nil {
		return found{}, false
	}
	return found{header: h, used: info.ModTime(), records: records, allocated: allocated(data) + allocated(info)}, true
}

// allocated returns how many bytes a file takes on disk.
func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return 0
}

// readUpTo returns the n bytes of f from off, or what there is of them.
func readUpTo(f io.ReaderAt, off, n int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, off, n))
}

// punchAbsent frees the space of the grains of o that are not present. Before the writer runs.
func (s *diskStore) punchAbsent(o *diskObject) error {
	defer s.closeFiles(o, false)
	for i, end := int64(0), grainSize.Count(o.id.size); i < end; {
		first := i
		for i < end && !o.has(i) {
			i++
		}
		if i > first {
			if err := s.hole(o, o.header(), grainSize.Start(first), grainSize.Start(i)-grainSize.Start(first)); err != nil {
				return err
			}
		}
		for i < end && o.has(i) {
			i++
		}
	}
	return nil
}

package emulator

import (
	"sync"
	"time"
)

// The ids that are not entries.
const (
	rootID    int64 = 0  // the directory "/"
	binID     int64 = -1 // parent of what lies in the recycle bin
	firstFsID int64 = 911_002_003_000_001

	firstGuestFsID int64 = 733_002_003_000_001 // of another user's files
)

// block is a run of bytes in the blob store, known by its md5 (lower hex) and its length.
type block struct {
	MD5  string `json:"m"`
	Size int64  `json:"s"`
}

// node is one file or directory of a drive as it is kept and journaled.
type node struct {
	ID     int64   `json:"id"`
	Parent int64   `json:"in"`
	Name   string  `json:"name"`
	Dir    bool    `json:"dir,omitempty"`
	Size   int64   `json:"size,omitempty"`
	Blocks []block `json:"blocks,omitempty"` // what the content is made of
	MD5    string  `json:"md5,omitempty"`    // docs/protocol.md#md5, plain form; of the list the client gave

	ServerMtime int64 `json:"sm"`
	ServerCtime int64 `json:"sc"`
	LocalMtime  int64 `json:"lm,omitempty"`
	LocalCtime  int64 `json:"lc,omitempty"`
	Since       int64 `json:"at,omitempty"` // unix ns at which it came to its place, for the lag of list

	Trash *trashed `json:"trash,omitempty"` // set on the top of what was deleted

	children map[string]*node // by drive.key; directories only, not journaled
	byName   []*node          // children in the order of their names; nil when that is to be found out
}

// trashed says where a node in the recycle bin came from.
type trashed struct {
	Path string `json:"path"`
	At   int64  `json:"at"` // unix s
}

// entry is a copy of what a drive knows about one path. It stays as it is when the drive changes.
type entry struct {
	ID     int64
	Path   string
	Name   string
	Dir    bool
	Size   int64
	MD5    string // plain form of docs/protocol.md#md5; "" for a directory
	Blocks []block

	ServerMtime, ServerCtime int64 // unix s
	LocalMtime, LocalCtime   int64 // unix s, 0 if the uploader said nothing
	Since                    time.Time
	Empty                    bool     // a directory without entries
	Trash                    *trashed // where and when it was deleted; nil outside the recycle bin
}

// drive is the tree of one account. Its methods take absolute paths without a trailing slash, return an errno for what the
// service would refuse, and are safe for concurrent use.
//
//	stat(path) (entry, error)                       one entry; errNotFound
//	statID(id) (entry, error)                       by fs_id, not in the bin
//	list(dir) ([]entry, error)                      the entries of a directory, by name
//	walk(path, fn func(entry) bool)                 an entry and all below it, parents first, until fn says false
//	used() int64                                    bytes, the recycle bin included
//	mkdir(path, policy) (entry, error)              with missing parents
//	putFile(file, policy) (entry, error)            a file made of blocks that the caller holds references of
//	remove(path) error                              into the recycle bin
//	move(from, dir, name, ondup) (entry, error)
//	copyTree(src *drive, from, dir, name, ondup)    also from another drive
type drive struct {
	uk    int64
	cfg   Config
	blobs *blobStore
	guest bool // of a user whose quota is no concern of ours

	mu      sync.RWMutex // guards what follows
	root    *node
	nodes   map[int64]*node // by fs_id, the recycle bin included
	bin     map[int64]*node // tops of what was deleted
	known   map[contentKey]map[int64]*node
	uploads map[string]*upload
	nextID  int64
	bytes   int64 // of all files, the recycle bin included
	changes changeLog
	dump    dump
	journal *journal // nil for a drive in memory
}

// contentKey finds stored files by what precreate says of them.
type contentKey struct {
	md5  string // of the list, plain form
	size int64
}

// policy is what happens when a path is taken: the service's rtype.
type policy int

const (
	failIfTaken    policy = 0 // errExists
	renameIfTaken  policy = 1 // another name, name(1).ext
	renameIfDiffer policy = 2 // the entry that is there if it has the same list, else another name
	overwrite      policy = 3 // the new file in place of the old one
)

// ondup is filemanager's word for the same question.
type ondup string

const (
	dupFail      ondup = "fail"
	dupNewcopy   ondup = "newcopy"
	dupOverwrite ondup = "overwrite"
	dupSkip      ondup = "skip"
)

// newFile describes a file to be put into a drive.
type newFile struct {
	path                   string
	blocks                 []block  // what it is made of
	list                   []string // the md5 list the client gave; nil means that of blocks
	localMtime, localCtime int64
}

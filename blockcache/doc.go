// Package blockcache reads byte ranges of immutable remote objects through a cache in memory,
// fetching what is missing in as few and as early ranged streams as the access pattern allows.
//
// # Vocabulary
//
//   - Object: one immutable version of a file, cached under its Key. A changed file is another
//     Object, a renamed one is not.
//   - Block: 1 MiB of an object, the unit of recency: eviction takes the block that nobody has
//     read for longest.
//   - Grain: 128 KiB of a block, the unit of presence and of memory. A grain is absent, claimed
//     by exactly one flight, or complete; the last grain of an object is as short as the object.
//   - Slab: the memory of one grain. All slabs together are the budget (Config.Memory), whatever
//     they hold: complete grains, grains in flight, grains a reader is copying from.
//   - Flight: one ranged Fetch over a run of absent grains. It claims them when it is made and
//     publishes bytes as they arrive: a reader waits for its own bytes, never for the flight.
//   - Slot: the right of a flight to bring bytes. As many are used as have proved worth it
//     (streams.go), Config.Streams at most.
//   - Reader: one open file handle. It follows two sessions, each a place in the file that is
//     read onward from, because a player reads index and data, or audio and video, in turns.
//   - Window: how far ahead of its session's reading position a session has bytes fetched.
//   - Demanded bytes are those a ReadAt is waiting for; all others are read-ahead.
//   - Disk tier: grains in files, one sparse data file and one sidecar an object (format.go). A
//     grain there takes space (counted from before its first byte is written), is present (can be
//     read), and is proven once this process has written or checked it.
//   - Writer: the goroutine that changes those files.
//
// # Callers
//
// fs opens a Reader per file handle and calls ReadAt, possibly from many goroutines at once; fs
// also hands over bytes it knows already (Fill). cmd makes the Fetchers. The cache never decides
// whether an object is current: a Key says it all.
//
// # Guarantees
//
// A ReadAt returns the object's bytes or an error, never fewer without saying so. A stream that
// ends early is io.ErrUnexpectedEOF to those who wait, and only whole grains outlive it. The bytes
// held never exceed the budget. No byte is fetched twice while it is held or on its way: absent
// is turned into claimed in the critical section that saw it absent. A ReadAt ends with
// ErrTimeout when its bytes have not come within Config.ReadTimeout, whatever the Fetcher does.
// The context of a ReadAt stops that call waiting and nothing else.
//
// # Locks
//
// Cache.mu guards all state of the package, that of Readers, flights and what is on disk included.
// It is held for map lookups and list moves only; bytes are copied, and streams and files are
// read, without it. The only other lock, objectFiles.mu, is held while a data file is opened or
// closed, and neither is ever taken while the other is held. Three rules make that safe:
//
//   - A slab is freed when its last reference goes. The flight holds one until the grain is
//     complete and then leaves it to the grain; a reader holds one while it copies, and is given
//     it by whoever wakes it, so that what it waited for is still there when it gets to run.
//     Eviction only takes grains whose slab has no other reference.
//   - Bytes of a grain before grain.n are never written again, bytes behind are never read.
//   - A reader of the disk takes a reference to the block in the critical section that sees the
//     grain present, and gives it up after the bytes are copied and compared with their CRC. The
//     writer takes presence away before it removes bytes, and removes only from blocks without
//     references, of objects that nobody holds whole. A grain found damaged is only hidden, and
//     written over where it is.
//
// Nobody waits for memory while holding memory: a flight asks for its next slab when its last
// grain is complete, thus evictable, and a ReadAt waits for one grain at a time, without a
// reference. So a budget of one slab is slow, but not a deadlock; nor do flights take it from each
// other for ever, because a woken ReadAt always gets on by the bytes it was woken for.
//
// # Who gets a slot
//
// The next slot goes to a flight that somebody waits for, among those to one of the session that has
// fewest, among those to the first to come. So a session gets an equal share when it can use it, and
// what it leaves goes to others.
//
// A request costs a round trip in which its stream brings nothing: at 50 ms and 20 MiB/s as much as a
// mebibyte. There are three ways to win that back. Flights can be long; but n of them on one file hold
// half of n lengths in memory, and 95 % of eight such streams would take 66 MiB held and 150 MiB
// of window. One stream can go on for ever; but then eight streams on one file are no use to its reader,
// who wants its bytes in order. So requests overlap: a flight gives up its slot when it has no more to
// bring than arrives while a request is answered (link.go measures both), and the request of the next
// travels meanwhile. No more than Config.Streams bring bytes at a time, but for a passing one (below),
// while half as many again may be open (Connections). A window is split into two flights for each
// stream that its session has a share in, which at the default sizes fills the link with flights of 2
// to 4 MiB.
//
// A reader that copies what it was given waits for nobody, but will in a moment. Its flight looks idle
// and is not: ended for another's and made again in turn, it would spend the link's time on
// requests. Therefore nothing is ended where waiting is fair. What a seek demands is brief, and passes:
// it gets a stream although all slots are taken, and the next slot that comes free stays empty for it.
// Longer flights that somebody waits for take the slot of read-ahead of a session that has two
// more, or after half a second of one that has one more. The price is that a sequential reader among
// more readers than slots waits for a flight of others to end, tenths of a second, where it once waited
// for none and all got a third of the link; a seek takes its one round trip, two in the worst case.
//
// A forward jump to bytes that are on their way waits for them up to one and a half round trips, or to
// 16 MiB while the link is not known; beyond, its bytes get a request of their own and the flight ends
// before them.
//
// # Goroutines
//
// One per flight that has a stream, owned by the Cache, on the Cache's context. It ends when its
// range is read, when its Fetcher fails, when nobody wants it any more, or with Cache.Close, which
// waits for all of them. One per object whose file is being checked (Reader.Whole), which Close also
// ends and waits for. Readers start none.
//
// With a disk tier, the writer: from New to Close, which has it write what is queued. It does one
// thing after the other in the order it was asked to, but for removals, which come first since they
// alone give room. So the files of an object are removed before those of another of the same name
// are made.
//
// # The disk tier
//
// It stands beside memory, not below it: a grain is in one, in both, or absent, and request makes
// flights for absent ones only. Whatever completes in memory is offered to the writer (disk.offer, from
// publish and Fill). It keeps a reference to the slab until the bytes are written; at most a quarter of
// the slabs wait so, and what comes then is dropped. So a slow or full disk costs hits, but holds up no
// flight and no reader. The kernel does the same to the writer when too much is dirty; nothing is
// synced, since a grain that did not arrive fails its CRC. A ReadAt takes from disk what memory lacks
// (diskread.go): a grain read in part goes to memory, one read whole does not.
//
// The limit is of what the files take on disk, rounded to pages, sidecars included, and holds at every
// moment: room is made before space is taken. So does the free space, but for what others write. What is
// evicted, S3-FIFO decides (evict.go). Failures are not for readers: a write that the file system refuses
// stops writing for half a minute, bytes that cannot be read or are not what was written are a miss.
// Where files cannot have holes, objects go as a whole.
//
// Descriptors are open while a Reader is, or the writer is at it. A file handed out whole has one of its
// own. The index takes about 220 bytes a block of memory, 700 for an object of one block, and is
// bounded by the size of the tier: one block for each MiB of it.
//
// # Left to others
//
// Retries, expired links, resuming a broken stream and verifying an HTTP answer are the Fetcher's;
// so is its own cap of connections, which must not be less than Connections. Errno, kernel caching and permissions are those of fs.
package blockcache

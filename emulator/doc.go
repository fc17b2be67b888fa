// Package emulator is a model of the TeraBox service as an http.Handler: the session pages, the metadata calls, both upload
// dialects, the recycle bin, download links and the CDN behind them, shares, and the TeraboxDL link service.
//
// It is evidence only while it is independent: it is written from docs/protocol.md, imports the standard library alone, and any
// client that speaks the protocol can use it. It is strict where a client could hide a mistake (a part whose md5 is not the listed
// one, an upload id used twice, a wrong signature, a name the service refuses) and tolerant where the service is (four body
// encodings, parameters in query or body, tokens that are absent).
//
// # Vocabulary
//
// A drive is the tree of one account; an entry is a copy of what it knows about one path. A block is a run of bytes known by its
// md5 and length, kept once in the blob store whoever refers to it. An upload is what precreate opens and create closes: the
// parts received and the blocks claimed known. A link is a dlink: bound to a cookie, a class of user agent and a time; the CDN URL
// behind it is bound to a time only.
//
// # What is chosen where the documents are silent
//
//   - A "+" in an urlencoded body stands for itself, in a query for a space; Config.PlusIsSpace makes both a space. JSON in a body
//     may have "+" where JSON allows white space, since form encoders write that.
//   - jsToken may be absent, unless the fault require-token is in force. One that is present has to be the current one and within
//     its life, for calls that write.
//   - rtype=3 gives the path a new fs_id unless Config.KeepFsID; rename and move keep it; a copy has new ones.
//   - A file create without rtype is rtype=0; a mkdir without rtype renames, as documented.
//   - An upload id serves one create. Config.ReuseUploads lets it serve again.
//   - A directory moved into itself is errno 5. A restored path that is taken becomes "name(1)".
//   - precreate of known content: errno 0 and return_type 2 when a stored file, of any user, has the same list and size (the create
//     that the seed document allows afterwards answers with that same file), else block_list names what is missing.
//
// # Locks and goroutines
//
// drive.mu guards a drive's metadata, blobStore.mu the reference counts; drive.mu may be held when blobStore.mu is taken, never
// the other way. Neither is held while bytes move: a part is streamed to a blob first and recorded after, and a reader holds
// references instead of a lock. Every mutation is one record, written to the journal before it is applied, so that a process
// killed at any moment leaves a state the next one continues. Goroutines: one for each listener (ended by Close) and one for each
// filemanager task (ended by its timer or by Close, which lets it finish).
package emulator

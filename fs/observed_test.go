package fs

import (
	"reflect"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/measure"
)

// TestObservedForwardsEveryRequest calls every method that go-fuse has and looks what arrives, and what is counted of it.
func TestObservedForwardsEveryRequest(t *testing.T) {
	below := &recorder{}
	o := observed{newObserver(), below}
	notCounted := map[string]bool{"String": true, "SetDebug": true, "Init": true, "OnUnmount": true, "Forget": true, "Writev": true} // Writev: recorder has none
	as := reflect.TypeFor[fuse.RawFileSystem]()
	for m := range as.Methods() {
		before := o.group.Totals()
		method := reflect.ValueOf(o).MethodByName(m.Name)
		var args []reflect.Value
		for in := range m.Type.Ins() {
			if in.Kind() == reflect.Pointer && in.Elem() != reflect.TypeFor[fuse.Server]() {
				args = append(args, reflect.New(in.Elem()))
			} else {
				args = append(args, reflect.Zero(in))
			}
		}
		below.got = ""
		results := method.Call(args)
		assert.Equal(t, m.Name, below.got)
		for _, r := range results {
			if code, ok := r.Interface().(fuse.Status); ok {
				assert.Equal(t, fuse.ENOSYS, code, m.Name)
			}
		}
		counted := measure.Since(o.group.Totals(), before)
		if notCounted[m.Name] {
			assert.Empty(t, counted, m.Name)
			continue
		}
		require.Len(t, counted, 1, m.Name)
		assert.EqualValues(t, 1, counted[0].Took.N(), m.Name)
		if len(results) > 0 {
			assert.Equal(t, map[string]int64{"ENOSYS": 1}, counted[0].Failures, m.Name)
		}
	}
	assert.Len(t, o.group.Totals(), int(operations), "a row for each")
}

// TestAHandlerThatPanicsFailsAlone: whatever the handler of a request does, the process lives, and the request fails with EIO.
func TestAHandlerThatPanicsFailsAlone(t *testing.T) {
	o := observed{newObserver(), nil} // to call it is a panic
	as := reflect.TypeFor[fuse.RawFileSystem]()
	for m := range as.Methods() {
		switch m.Name {
		case "String", "SetDebug", "Init", "OnUnmount", "Forget":
			continue
		}
		var args []reflect.Value
		for in := range m.Type.Ins() {
			if in.Kind() == reflect.Pointer {
				args = append(args, reflect.New(in.Elem()))
			} else {
				args = append(args, reflect.Zero(in))
			}
		}
		for _, r := range reflect.ValueOf(o).MethodByName(m.Name).Call(args) {
			if code, ok := r.Interface().(fuse.Status); ok {
				assert.Equal(t, fuse.EIO, code, m.Name)
			}
		}
	}
}

// recorder says which method was called.
type recorder struct{ got string }

func (r *recorder) String() string { r.got = "String"; return "" }
func (r *recorder) SetDebug(bool)  { r.got = "SetDebug" }
func (r *recorder) Lookup(<-chan struct{}, *fuse.InHeader, string, *fuse.EntryOut) fuse.Status {
	r.got = "Lookup"
	return fuse.ENOSYS
}
func (r *recorder) Forget(uint64, uint64) { r.got = "Forget" }
func (r *recorder) GetAttr(<-chan struct{}, *fuse.GetAttrIn, *fuse.AttrOut) fuse.Status {
	r.got = "GetAttr"
	return fuse.ENOSYS
}
func (r *recorder) SetAttr(<-chan struct{}, *fuse.SetAttrIn, *fuse.AttrOut) fuse.Status {
	r.got = "SetAttr"
	return fuse.ENOSYS
}
func (r *recorder) Mknod(<-chan struct{}, *fuse.MknodIn, string, *fuse.EntryOut) fuse.Status {
	r.got = "Mknod"
	return fuse.ENOSYS
}
func (r *recorder) Mkdir(<-chan struct{}, *fuse.MkdirIn, string, *fuse.EntryOut) fuse.Status {
	r.got = "Mkdir"
	return fuse.ENOSYS
}
func (r *recorder) Unlink(<-chan struct{}, *fuse.InHeader, string) fuse.Status {
	r.got = "Unlink"
	return fuse.ENOSYS
}
func (r *recorder) Rmdir(<-chan struct{}, *fuse.InHeader, string) fuse.Status {
	r.got = "Rmdir"
	return fuse.ENOSYS
}
func (r *recorder) Rename(<-chan struct{}, *fuse.RenameIn, string, string) fuse.Status {
	r.got = "Rename"
	return fuse.ENOSYS
}
func (r *recorder) Link(<-chan struct{}, *fuse.LinkIn, string, *fuse.EntryOut) fuse.Status {
	r.got = "Link"
	return fuse.ENOSYS
}
func (r *recorder) Symlink(<-chan struct{}, *fuse.InHeader, string, string, *fuse.EntryOut) fuse.Status {
	r.got = "Symlink"
	return fuse.ENOSYS
}
func (r *recorder) Readlink(<-chan struct{}, *fuse.InHeader) ([]byte, fuse.Status) {
	r.got = "Readlink"
	return nil, fuse.ENOSYS
}
func (r *recorder) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status {
	r.got = "Access"
	return fuse.ENOSYS
}
func (r *recorder) GetXAttr(<-chan struct{}, *fuse.InHeader, string, []byte) (uint32, fuse.Status) {
	r.got = "GetXAttr"
	return 0, fuse.ENOSYS
}
func (r *recorder) ListXAttr(<-chan struct{}, *fuse.InHeader, []byte) (uint32, fuse.Status) {
	r.got = "ListXAttr"
	return 0, fuse.ENOSYS
}
func (r *recorder) SetXAttr(<-chan struct{}, *fuse.SetXAttrIn, string, []byte) fuse.Status {
	r.got = "SetXAttr"
	return fuse.ENOSYS
}
func (r *recorder) RemoveXAttr(<-chan struct{}, *fuse.InHeader, string) fuse.Status {
	r.got = "RemoveXAttr"
	return fuse.ENOSYS
}
func (r *recorder) Create(<-chan struct{}, *fuse.CreateIn, string, *fuse.CreateOut) fuse.Status {
	r.got = "Create"
	return fuse.ENOSYS
}
func (r *recorder) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status {
	r.got = "Tmpfile"
	return fuse.ENOSYS
}
func (r *recorder) Open(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status {
	r.got = "Open"
	return fuse.ENOSYS
}
func (r *recorder) Read(<-chan struct{}, *fuse.ReadIn, []byte) (fuse.ReadResult, fuse.Status) {
	r.got = "Read"
	return nil, fuse.ENOSYS
}
func (r *recorder) Lseek(<-chan struct{}, *fuse.LseekIn, *fuse.LseekOut) fuse.Status {
	r.got = "Lseek"
	return fuse.ENOSYS
}
func (r *recorder) GetLk(<-chan struct{}, *fuse.LkIn, *fuse.LkOut) fuse.Status {
	r.got = "GetLk"
	return fuse.ENOSYS
}
func (r *recorder) SetLk(<-chan struct{}, *fuse.LkIn) fuse.Status {
	r.got = "SetLk"
	return fuse.ENOSYS
}
func (r *recorder) SetLkw(<-chan struct{}, *fuse.LkIn) fuse.Status {
	r.got = "SetLkw"
	return fuse.ENOSYS
}
func (r *recorder) Release(<-chan struct{}, *fuse.ReleaseIn) { r.got = "Release" }
func (r *recorder) Write(<-chan struct{}, *fuse.WriteIn, []byte) (uint32, fuse.Status) {
	r.got = "Write"
	return 0, fuse.ENOSYS
}
func (r *recorder) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	r.got = "Writev"
	return 0, fuse.ENOSYS
}
func (r *recorder) CopyFileRange(<-chan struct{}, *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	r.got = "CopyFileRange"
	return 0, fuse.ENOSYS
}
func (r *recorder) Ioctl(<-chan struct{}, *fuse.IoctlIn, []byte, *fuse.IoctlOut, []byte) fuse.Status {
	r.got = "Ioctl"
	return fuse.ENOSYS
}
func (r *recorder) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status {
	r.got = "Flush"
	return fuse.ENOSYS
}
func (r *recorder) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status {
	r.got = "Fsync"
	return fuse.ENOSYS
}
func (r *recorder) Fallocate(<-chan struct{}, *fuse.FallocateIn) fuse.Status {
	r.got = "Fallocate"
	return fuse.ENOSYS
}
func (r *recorder) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status {
	r.got = "OpenDir"
	return fuse.ENOSYS
}
func (r *recorder) ReadDir(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status {
	r.got = "ReadDir"
	return fuse.ENOSYS
}
func (r *recorder) ReadDirPlus(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status {
	r.got = "ReadDirPlus"
	return fuse.ENOSYS
}
func (r *recorder) ReleaseDir(*fuse.ReleaseIn) { r.got = "ReleaseDir" }
func (r *recorder) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status {
	r.got = "FsyncDir"
	return fuse.ENOSYS
}
func (r *recorder) StatFs(<-chan struct{}, *fuse.InHeader, *fuse.StatfsOut) fuse.Status {
	r.got = "StatFs"
	return fuse.ENOSYS
}
func (r *recorder) Statx(<-chan struct{}, *fuse.StatxIn, *fuse.StatxOut) fuse.Status {
	r.got = "Statx"
	return fuse.ENOSYS
}
func (r *recorder) Init(*fuse.Server) { r.got = "Init" }
func (r *recorder) OnUnmount()        { r.got = "OnUnmount" }

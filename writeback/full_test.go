package writeback

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStagingLimit(t *testing.T) {
	drive := newService(t)
	s := openStore(t, drive, func(c *Config) { c.StagingSize = 2 * blockSize })
	content := random(blockSize, 1)
	old := drive.put("/f", content, early)
	f := newFile(t, s, &memBase{data: content}, old.Size, nil)
	g := newFile(t, s, nil, 0, nil)
	write(t, g, random(blockSize+1, 2), 0)

	n, err := f.WriteAt(ctx, []byte("x"), 100)
	require.ErrorIs(t, err, ErrStagingFull, "the block would have to be staged whole")
	assert.Zero(t, n)
	assert.False(t, f.Dirty(), "as if nothing had been tried")
	assert.Equal(t, sumOf(content), sumOf(read(t, f)))

	h := newFile(t, s, nil, 0, nil)
	n, err = h.WriteAt(ctx, random(blockSize+10, 3), 0)
	require.ErrorIs(t, err, ErrStagingFull)
	assert.Zero(t, n)
	write(t, h, random(1000, 3), 0)

	require.NoError(t, g.Truncate(ctx, 0))
	write(t, f, []byte("x"), 100)
	require.NoError(t, f.Close())
	write(t, g, random(blockSize, 4), 0)
	require.NoError(t, g.Truncate(ctx, 100))
	assert.EqualValues(t, 2*pageSize, s.space.inUse())
	drive.holds(map[string][]byte{"/f": content})
}

func TestHolesTakeNoStagingSpace(t *testing.T) {
	s := openStore(t, newService(t), func(c *Config) { c.StagingSize = blockSize })
	f := newFile(t, s, nil, 0, nil)
	require.NoError(t, f.Truncate(ctx, 100<<20))
	write(t, f, []byte("end"), 48<<20)
	assert.EqualValues(t, pageSize, s.space.inUse())
	assert.EqualValues(t, 100<<20, f.Size())
}

// Whatever the disk does in a write, what reads back is what WriteAt said.
func TestDiskFaultsInAWrite(t *testing.T) {
	content := random(blockSize+1000, 1)
	edit := random(3000, 2)
	for _, kind := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, call := range []string{"create", "truncate", "write"} {
			for _, part := range []int{0, 700} {
				for name, off := range map[string]int64{"inside the base": 10, "over the end": blockSize + 500, "behind the end": 3 * blockSize} {
					for _, staged := range []bool{false, true} {
						t.Run(fmt.Sprint(kind, "/", call, "/", part, "/", name, "/staged=", staged), func(t *testing.T) {
							var disk *faultDisk
							s := openStore(t, newService(t), func(c *Config) {
								c.Disk = func(inner Disk) Disk { disk = &faultDisk{Disk: inner}; return disk }
							})
							f := newFile(t, s, &memBase{data: content}, int64(len(content)), digestsOf(content))
							want := append([]byte(nil), content...)
							if staged {
								write(t, f, []byte("AB"), blockSize+1)
								copy(want[blockSize+1:], "AB")
								write(t, f, []byte("AB"), 1)
								copy(want[1:], "AB")
							}
							disk.set(part, every(call, kind))
							n, err := f.WriteAt(ctx, edit, off)
							disk.set(0, nil)
							if staged && call != "write" {
								require.NoError(t, err, "not needed")
							} else {
								require.ErrorIs(t, err, kind)
								assert.Equal(t, kind == syscall.ENOSPC, errors.Is(err, ErrStagingFull))
							}
							want = overlay(want, edit[:n], off)
							checkContent(t, f, want)

							write(t, f, []byte("end"), 4*blockSize+7) // what failed must not come to light
							want = overlay(want, []byte("end"), 4*blockSize+7)
							checkContent(t, f, want)
							write(t, f, []byte("z"), 3*blockSize+100_000)
							want = overlay(want, []byte("z"), 3*blockSize+100_000)
							checkContent(t, f, want)
						})
					}
				}
			}
		}
	}
}

// overlay returns content with p written at off.
func overlay(content, p []byte, off int64) []byte {
	if len(p) == 0 {
		return content
	}
	if grow := off + int64(len(p)) - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[off:], p)
	return content
}

// checkContent compares what is read and what would be committed with want.
func checkContent(t *testing.T, f *File, want []byte) {
	t.Helper()
	require.Equal(t, sumOf(want), sumOf(read(t, f)))
	m, err := f.seal(ctx)
	require.NoError(t, err)
	require.Equal(t, digestsOf(want), m.blocks)
}

func TestDiskFaultsInTruncate(t *testing.T) {
	var disk *faultDisk
	s := openStore(t, newService(t), func(c *Config) {
		c.Disk = func(inner Disk) Disk { disk = &faultDisk{Disk: inner}; return disk }
	})
	f := newFile(t, s, nil, 0, nil)
	content := random(10_000, 1)
	write(t, f, content, 0)
	disk.set(0, every("truncate", syscall.EIO))
	require.ErrorIs(t, f.Truncate(ctx, 10), syscall.EIO)
	require.ErrorIs(t, f.Truncate(ctx, 20_000), syscall.EIO)
	disk.set(0, nil)
	checkContent(t, f, content)
	require.NoError(t, f.Truncate(ctx, 20_000))
	checkContent(t, f, append(content, make([]byte, 10_000)...))
}

func TestCloseReportsADiskThatFails(t *testing.T) {
	var disk *faultDisk
	s := openStore(t, newService(t), func(c *Config) {
		c.Disk = func(inner Disk) Disk { disk = &faultDisk{Disk: inner}; return disk }
	})
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	write(t, f, []byte("x"), 0)
	disk.set(0, every("remove", syscall.EIO))
	require.ErrorIs(t, f.Close(), syscall.EIO)
	disk.set(0, nil)
	assert.Zero(t, s.space.inUse(), "the file was cut to nothing")
	require.NoError(t, s.disk.Remove(f.name))
}

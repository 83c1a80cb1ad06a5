//go:build linux || darwin || freebsd

package sqlite

import (
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// A walIndex maps the wal-index of a database for reading.
type walIndex struct {
	words  *walHead
	mem    []byte
	file   *os.File
	info   os.FileInfo
	pools  int
	pinned bool
}

// walIndexes are those in use, one for each file however many pools there are: a process that closes any descriptor of a file loses all its locks on
// it (POSIX), so the last pool of a file closes it, when its connections are closed already.
var walIndexes struct {
	sync.Mutex
	all []*walIndex
}

// openWalIndex returns the wal-index of the database at path, which is open in WAL mode; nil where there is none.
func openWalIndex(path string) *walIndex {
	walIndexes.Lock()
	defer walIndexes.Unlock()
	info, err := os.Stat(path + "-shm")
	if err != nil {
		return nil
	}
	for _, x := range walIndexes.all {
		if os.SameFile(x.info, info) {
			x.pools++
			if x.words == nil {
				return nil
			}
			return x
		}
	}
	x := &walIndex{info: info, pools: 1}
	if info.Size() < walHeadLen {
		return nil
	}
	if x.file, err = os.Open(path + "-shm"); err != nil {
		return nil
	}
	walIndexes.all = append(walIndexes.all, x) // from here on the file stays open, whatever comes
	if now, err := x.file.Stat(); err != nil || !os.SameFile(now, info) {
		x.pinned = true
		return nil
	}
	mem, err := syscall.Mmap(int(x.file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		x.pinned = true
		return nil
	}
	x.mem = mem
	if binary.NativeEndian.Uint32(mem) != walVersion {
		x.pinned = true
		return nil
	}
	x.words = (*walHead)(unsafe.Pointer(&mem[0]))
	return x
}

// release ends the use by one pool. closed says that all its connections are closed; where one is not, the file stays open for good.
func (x *walIndex) release(closed bool) {
	if x == nil {
		return
	}
	walIndexes.Lock()
	defer walIndexes.Unlock()
	x.pools--
	x.pinned = x.pinned || !closed
	if x.pools > 0 || x.pinned {
		return
	}
	for i, y := range walIndexes.all {
		if y == x {
			walIndexes.all = append(walIndexes.all[:i], walIndexes.all[i+1:]...)
			break
		}
	}
	_ = syscall.Munmap(x.mem)
	_ = x.file.Close() // was only read
}

package serve

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// forgetStart gives back the pages of the program's code that were needed to start: compiling the model, deploying, reading the configuration. They are the
// file's, unchanged, so what is needed again is mapped again when it is. Linux maps sixteen pages for each one that is asked for, which makes up
// more than half of the memory of an idle server. Programs under a debugger keep theirs, as its breakpoints are written into them.
var forgetStart = sync.OnceFunc(func() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !bytes.Contains(status, []byte("\nTracerPid:\t0\n")) {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		if from, to, ok := code(line, exe); ok {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED) // advice; without it nothing is lost
		}
	}
})

// code reads a line of /proc/self/maps: the addresses of a part that holds the code of the program, private and not writable.
func code(line []byte, exe string) (from, to uintptr, ok bool) {
	f := bytes.Fields(line)
	if len(f) != 6 || string(f[1]) != "r-xp" || string(f[5]) != exe {
		return 0, 0, false
	}
	lo, hi, _ := bytes.Cut(f[0], []byte("-"))
	a, err := strconv.ParseUint(string(lo), 16, 8*int(unsafe.Sizeof(from)))
	if err != nil {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(string(hi), 16, 8*int(unsafe.Sizeof(from)))
	return uintptr(a), uintptr(b), err == nil && b > a
}

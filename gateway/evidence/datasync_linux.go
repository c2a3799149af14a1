package evidence

import (
	"errors"
	"os"
	"syscall"
)

// reserve has blocks ready for what is going to be written: each group would need some of its own otherwise, and the file system's
// journal would have to tell of them before the group is durable.
func reserve(f *os.File, from, n int64) {
	const keepSize = 1                                    // FALLOC_FL_KEEP_SIZE
	_ = syscall.Fallocate(int(f.Fd()), keepSize, from, n) // what is written takes blocks as ever then
}

// datasync makes what was written to a file durable, and of what is known about the file only what it takes to find it.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

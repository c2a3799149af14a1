package evidence

import (
	"errors"
	"os"
	"syscall"
)

// datasync makes what was written to a file durable, and of what is known about the file only what it takes to find it.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

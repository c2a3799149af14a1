//go:build unix && !solaris && !illumos && !aix

package maxmind

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the file, if nobody has it. The lock ends with the process, however that ends.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}

// unlock gives the file back. Closing it would do, if no program had just been started that still has a copy of it.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

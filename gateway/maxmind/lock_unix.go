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

//go:build unix && !solaris && !illumos && !aix

package evidence

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the file, alone or with others, if nobody has it alone. The lock ends with the process, however that ends.
func lock(f *os.File, alone bool) error {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// errLocked says that another process, or another Log of this one, has the folder.
var errLocked = errors.New("locked")

// lockFolder takes the folder for the caller alone, until the file is closed. It tries for a moment, because whoever
// verifies the log looks at the lock by taking it.
func lockFolder(dir string) (*os.File, error) {
	const tries, pause = 10, 20 * time.Millisecond
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for range tries {
		if err = lock(f, true); !errors.Is(err, errLocked) {
			break
		}
		time.Sleep(pause)
	}
	if err == nil {
		return f, nil
	}
	_ = f.Close() // it was only opened for the lock
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("%s is in use by another process; stop that one, or give each replica a folder of its own", dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// inUse reports whether somebody has the folder. Those who only ask do not see each other.
func inUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(lock(f, false), errLocked)
}

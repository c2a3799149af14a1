//go:build !unix || solaris || illumos || aix

package maxmind

import "os"

// lock does nothing where the system has no flock: there it is for the operator to run one process on a folder.
func lock(*os.File) error { return nil }

func unlock(*os.File) {}

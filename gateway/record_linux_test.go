package gateway_test

import "syscall"

// mountDisk makes a folder a file system of a size.
func mountDisk(dir, size string) error {
	return syscall.Mount("gate451", dir, "tmpfs", 0, "size="+size)
}

func unmountDisk(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

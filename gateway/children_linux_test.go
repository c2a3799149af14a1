package gateway_test

import "syscall"

// childProcess has a program that a test starts lead a group of its own, and end with the test's process: a worker of the
// fuzzer may be killed before it can clean up.
func childProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

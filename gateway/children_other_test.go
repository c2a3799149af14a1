//go:build !linux

package gateway_test

import "syscall"

// childProcess has a program that a test starts lead a group of its own.
func childProcess() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

//go:build !profile

package main

// profile does nothing: what is shipped measures nothing.
func profile() (end func()) { return func() {} }

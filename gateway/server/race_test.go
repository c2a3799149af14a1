//go:build race

package server

// racing says that the race detector watches.
const racing = true

//go:build !race

package gateway

// racing tells whether the race detector is on.
const racing = false

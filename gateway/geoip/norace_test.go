//go:build !race

package geoip

// racing tells whether the race detector is on.
const racing = false

//go:build race

package evidence

// racing says that the race detector runs, which makes pools forget and everything slow.
const racing = true

//go:build !race

package evidence

// racing says that the race detector runs.
const racing = false

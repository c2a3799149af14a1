package gateway

import (
	"os"
	"runtime"
)

// ownProcessors is what Go has by itself: the machine's, or what the process may use of them.
var ownProcessors = runtime.GOMAXPROCS(0)

// addDiskProcessor gives Go one processor more for as long as the process lives. It is called before requests wait for the
// disk: a thread inside fdatasync keeps its processor until the runtime takes it away, and needs one again before it can
// tell those who wait, which cost a fifth of the answers on a machine with two. Whoever has set GOMAXPROCS has decided.
func addDiskProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(ownProcessors + 1)
	}
}

package main

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// collectAt is the GOGC of whoever names none: garbage may grow to twice what is in use before it is collected, where Go would
// allow as much again. What is in use is mostly databases and policy, little and long-lived, and reading through it
// for the garbage of a few thousand requests costs more than the memory.
const collectAt = 200

// boundGarbage says when garbage is collected, as far as GOGC and GOMEMLIMIT have not. Where a container or a service may have so
// much memory and no more, nine tenths of that are Go's limit: it collects more often as it comes near, and the kernel
// need not kill it for garbage.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	_, _ = memlimit.Set() // a limit that cannot be read is as good as none
}

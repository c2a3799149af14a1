//go:build profile

package main

import (
	"os"
	"runtime/pprof"
)

// profile writes what this build spends its time on to the file that GATE451_CPU_PROFILE names, if it names one:
// deployments/bench/profile.sh makes default.pgo of it. What is shipped is built without.
func profile() (end func()) {
	name := os.Getenv("GATE451_CPU_PROFILE")
	if name == "" {
		return func() {}
	}
	file, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		panic(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			panic(err)
		}
	}
}

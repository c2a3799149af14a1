package gateway

import (
	"cmp"
	"runtime/debug"
)

// Version is the released version of the program. A build sets it with -ldflags "-X gate451/gateway.Version=1.2.3".
var Version string

// ThisBuild says which build of the program runs: the version that was set or else what Go wrote into the binary, and the
// revision of the source if Go knows it.
func ThisBuild() Build {
	info, _ := debug.ReadBuildInfo() // nil if there is none
	return buildOf(Version, info)
}

func buildOf(version string, info *debug.BuildInfo) Build {
	b := Build{Version: version, Revision: "unknown"}
	if info != nil {
		if info.Main.Version != "(devel)" {
			b.Version = cmp.Or(b.Version, info.Main.Version)
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	b.Version = cmp.Or(b.Version, "devel")
	return b
}

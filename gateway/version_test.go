package gateway

import (
	"runtime/debug"
	"testing"
)

func TestThisBuild(t *testing.T) {
	t.Parallel()
	released := func(version, revision string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		if revision != "" {
			info.Settings = []debug.BuildSetting{{Key: "vcs.time", Value: "never"}, {Key: "vcs.revision", Value: revision}}
		}
		return info
	}
	for _, c := range []struct {
		version string
		info    *debug.BuildInfo
		want    Build
	}{
		{"", nil, Build{"devel", "unknown"}},
		{"1.2.3", nil, Build{"1.2.3", "unknown"}},
		{"", released("(devel)", ""), Build{"devel", "unknown"}},
		{"", released("", ""), Build{"devel", "unknown"}},
		{"", released("v1.0.0", "abc"), Build{"v1.0.0", "abc"}},
		{"1.2.3", released("v1.0.0", "abc"), Build{"1.2.3", "abc"}},
	} {
		if got := buildOf(c.version, c.info); got != c.want {
			t.Errorf("version %q, %+v: %+v, want %+v", c.version, c.info, got, c.want)
		}
	}
	if b := ThisBuild(); b.Version == "" || b.Revision == "" {
		t.Errorf("%+v", b)
	}
}

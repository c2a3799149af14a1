package gateway_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestDiskProcessor sees in processes of their own what strict evidence does to Go's processors.
func TestDiskProcessor(t *testing.T) {
	if durability := os.Getenv("GATE451_TEST_PROCESSORS"); durability != "" {
		before := runtime.GOMAXPROCS(0)
		start(t, setup{policy: recordedPolicy, config: "evidence: {dir: evidence, durability: " + durability + "}\n", upstream: newShop(t, ok)})
		t.Logf("%d more", runtime.GOMAXPROCS(0)-before)
		return
	}
	t.Parallel()
	for _, c := range []struct{ durability, set, want string }{{"strict", "", "1 more"}, {"strict", "GOMAXPROCS=3", "0 more"}, {"best_effort", "", "0 more"}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDiskProcessor$", "-test.v")
		for _, pair := range os.Environ() {
			if !strings.HasPrefix(pair, "GOMAXPROCS=") {
				cmd.Env = append(cmd.Env, pair)
			}
		}
		cmd.Env = append(cmd.Env, "GATE451_TEST_PROCESSORS="+c.durability, c.set)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s %s: %v\n%s\nexpected %s", c.durability, c.set, err, out, c.want)
		}
	}
}

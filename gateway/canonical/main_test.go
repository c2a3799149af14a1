package canonical

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"gate451/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read returns the readings of a target, or the reason for which it is refused.
func read(target string) ([]string, error) {
	var out rules.Request
	err := ReadTarget("GET", target, "shop.example", &out)
	return out.Paths, err
}

// governed is the policy of the corpus, matched the naive way: whole segments, any case, and all below.
func governed(host string, paths []string) bool {
	prefixes := map[string][]string{"shop.example": {"cart", "checkout", "buy"}, "updates.example": {"updates"}}[host]
	for _, path := range paths {
		first, _, _ := strings.Cut(path[1:], "/")
		for _, prefix := range prefixes {
			if strings.EqualFold(first, prefix) {
				return true
			}
		}
	}
	return false
}

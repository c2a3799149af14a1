package canonical

import (
	"testing"

	"gate451/rules"
)

// TestQueryIsLeftAsItCame: and none is left over from the request before.
func TestQueryIsLeftAsItCame(t *testing.T) {
	t.Parallel()
	var out rules.Request
	for _, c := range []struct{ target, want string }{
		{"/cart?a=%41&b=+;c", "a=%41&b=+;c"}, {"/cart", ""}, {"http://shop.example/cart?x?y", "x?y"}, {"/cart?", ""}, {"/%00?a=1", ""},
	} {
		_ = ReadTarget("GET", c.target, "shop.example", &out) // the last one is malformed
		if out.Query != c.want {
			t.Errorf("%s: %q; want %q", c.target, out.Query, c.want)
		}
	}
}

package goods

import (
	"net/http"
	"testing"

	"gate451/rules"
)

// TestAllocations keeps the price of a request in sight.
func TestAllocations(t *testing.T) {
	bad := hostile()
	for name, tt := range map[string]struct {
		next func() *http.Request
		c    *rules.Carrier
		most float64
	}{
		"no body is read": {again(form, "", "id=43"), carrier("php", "query add-to-cart", "json id"), 8},
		"a form":          {again(form, "", "id=43"), carrier("php", "form id"), 25},
		"a cart in JSON":  {again("application/json", "", cartJSON(2000)), carrier("node", "json items.#.id"), 30},
		"a mutation":      {again("application/json", "", mutation()), carrier("exact", addLines), 150},
		"nested lists":    {bad["nested lists"], carrier("exact", addLines), 50},
		"circles":         {bad["circles"], carrier("exact", addLines), 1500},
	} {
		carriers := []*rules.Carrier{tt.c}
		got := testing.AllocsPerRun(20, func() { Read(nil, tt.next(), nil, carriers, Options{}) })
		if got > tt.most {
			t.Errorf("%s costs %v allocations, want %v at most", name, got, tt.most)
		}
	}
}

package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

// TestShopsThroughTheGateway plays the recorded rows, and some generated ones, over real sockets to a gateway with the shop's
// preset. A refused sale never reaches the shop; what passes arrives byte for byte.
func TestShopsThroughTheGateway(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(readShopRows(t, "shops.jsonl", 351), readShopRows(t, "shops_more.jsonl", 150))
	seed := faultSeed(t)
	sold := soldIn(rows)
	for _, platform := range slices.Sorted(maps.Keys(sold)) {
		if presetOf[platform] == "" {
			continue // of updates, which are no sale
		}
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			var figures shopFigures
			s := newSpeller(seed)
			for _, id := range sold[platform] {
				shop := newPedant(t)
				shop.cart.Store(&standIn{platform: platform, answer: "nothing of use"})
				g := start(t, setup{policy: shopPolicy(platform, id), upstream: shop.url})
				asked := slices.DeleteFunc(slices.Clone(rows), func(r *shopRow) bool { return r.Platform != platform })
				if id == spellings[platform].id {
					for range 20 {
						asked = append(asked, s.sale(platform), s.otherSale(platform), s.browsing(platform))
					}
				}
				for _, r := range asked {
					blocked := g.playShop(t, shop, r)
					if wrong := figures.add(r, id, blocked); wrong != "" {
						t.Errorf("%s with %s restricted: %s: %s %s %v, %q: %s", r.ID, id, wrong, r.Method, r.Target, r.Headers, r.body(), r.Note)
					}
				}
			}
			t.Logf("%s", &figures)
		})
	}
}

// playShop sends a row as an American buyer, and reports whether it was refused: by 451, where no honest client would have
// sent it by 400, and where its document is not known by asking for that. What passes must have reached the shop as it was sent, and what is refused must not have.
func (g *gate) playShop(t *testing.T, shop *pedant, r *shopRow) (blocked bool) {
	t.Helper()
	conn, reader := g.raw(t, american, r.text("shop.example"))
	defer conn.Close()
	res, err := http.ReadResponse(reader, &http.Request{Method: r.Method})
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	defer res.Body.Close()
	came, faults := shop.take()
	for _, fault := range faults {
		t.Errorf("%s: the shop got %s", r.ID, fault)
	}
	asked := res.Header.Get("Gate451-Reference") != "" // for a document
	if res.StatusCode == http.StatusUnavailableForLegalReasons || res.StatusCode == http.StatusBadRequest || asked {
		if len(came) > 0 {
			t.Errorf("%s: refused, and still the shop got %s %s", r.ID, came[0].method, came[0].target)
		}
		return true
	}
	want := arrival{method: r.Method, target: r.Target, body: string(r.body())}
	if res.StatusCode != http.StatusOK || len(came) != 1 || came[0] != want {
		t.Errorf("%s: answered %d; the shop got %+v, want %+v", r.ID, res.StatusCode, came, want)
	}
	return false
}

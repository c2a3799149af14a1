package refusal

import (
	"testing"
	"time"
)

func TestNotice(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)
	for kind, want := range map[string]string{
		Purchase: "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be purchased from your country.",
		Update:   "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be updated from your country.",
		Access:   "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be obtained from your country.",
	} {
		if got, err := Notice(kind, []string{"Acme products", "two\nlines"}, at); got != want || err != nil {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
}

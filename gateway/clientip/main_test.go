package clientip_test

import (
	"net/http"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"gate451/gateway/clientip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func newResolver(t testing.TB, c clientip.Config) *clientip.Resolver {
	t.Helper()
	r, err := clientip.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// header returns a header with the given lines, as net/http would have read them.
func header(name string, lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		h.Add(name, line)
	}
	return h
}

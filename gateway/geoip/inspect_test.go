package geoip

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	countries := map[string]record{"2.0.0.0/8": inCountry("DE")}
	for _, test := range []struct {
		what      string
		path      string
		wantError string
		anonymous bool
	}{
		{"countries", content{databaseType: "GeoLite2-Country", records: countries}.write(t, dir, "a.mmdb"), "", false},
		{"anonymous networks", content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{"2.0.0.0/8": flagged("is_anonymous")}}.write(t, dir, "b.mmdb"), "", true},
		{"neither", content{databaseType: "GeoLite2-ASN", records: map[string]record{"2.0.0.0/8": {}}}.write(t, dir, "c.mmdb"), "in which no record names a country", false},
		{"no database", writeFile(t, []byte("no database"), dir, "d.mmdb"), "not a sound MaxMind DB file", false},
		{"no file", dir + "/none", "no such file", false},
	} {
		info, err := Inspect(test.path)
		switch {
		case test.wantError != "":
			if err == nil || !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("%s: %v, want %q", test.what, err, test.wantError)
			}
		case err != nil || info.Anonymous != test.anonymous || !info.Built.Equal(built) || info.Path != test.path || info.Stale:
			t.Errorf("%s: %+v, %v", test.what, info, err)
		}
	}
}

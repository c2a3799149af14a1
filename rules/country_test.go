package rules

import "testing"

func TestAssignedCodesAreThoseOfISO3166(t *testing.T) {
	t.Parallel()
	var n int
	for c := Country(1); c < countryCodes; c++ {
		if got := CountryOf(c.String()); got == 0 {
			continue
		} else if got != c {
			t.Errorf("CountryOf(%q) = %v", c, got)
		}
		n++
		if c.Name() == "" {
			t.Errorf("%v has no name", c)
		}
	}
	// ISO 3166-1 assigns 249 codes; XK is the one user-assigned code that address databases use.
	if want := 249 + 1; n != want {
		t.Errorf("%d country codes are known, want %d", n, want)
	}
}

func TestCodesThatNameNoCountryAreUnknown(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"", "D", "de", "DEU", "EU", "AP", "A1", "A2", "O1", "??", "ZZ", "XX", "UK", "AN", "SU", "AC", "UN", "EZ", "T1", "Ä"} {
		if c := CountryOf(code); c != 0 {
			t.Errorf("CountryOf(%q) = %v, want none", code, c)
		}
	}
	if got := Country(0).String() + Country(countryCodes).String(); got != "" {
		t.Errorf("no country prints as %q", got)
	}
	if got := Country(0).Name(); got != "an unknown country" {
		t.Errorf("no country is named %q", got)
	}
}

func TestParseCountrySaysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"UK":         `unknown country "UK"; the United Kingdom is GB`,
		"usa":        `unknown country "usa"; the United States is US`,
		"germany":    `unknown country "germany"; Germany is DE`,
		"840":        `unknown country "840"; the United States is US`,
		"EU":         `unknown country "EU"; expected an ISO 3166-1 code of two letters, such as DE`,
		"Atlantis":   `unknown country "Atlantis"; expected an ISO 3166-1 code of two letters, such as DE`,
		"":           `unknown country ""; expected an ISO 3166-1 code of two letters, such as DE`,
		"Costa Rica": `unknown country "Costa Rica"; Costa Rica is CR`,
	} {
		if _, err := ParseCountry(text); err == nil || err.Error() != want {
			t.Errorf("ParseCountry(%q): %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"pr", "PR", "Pr"} {
		if c, err := ParseCountry(text); err != nil || c != CountryOf("PR") {
			t.Errorf("ParseCountry(%q) = %v, %v", text, c, err)
		}
	}
}

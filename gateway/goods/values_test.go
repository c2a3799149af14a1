package goods

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"gate451/rules"
)

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		dialect     rules.Dialect
		text, canon string
	}{
		{"php", " 43", "43"}, {"php", "+43", "43"}, {"php", "043", "43"}, {"php", "43.9", "43"},
		{"php", "4.3e1", "43"}, {"php", "\t\n43", "43"}, {"php", "43abc", "43"}, {"php", "-43", "43"},
		{"php", ".43e2", "43"}, {"php", "43.", "43"}, {"php", "43e", "43"}, {"php", "43e+", "43"},
		{"php", "0x2b", "0"}, {"php", "４３", ""}, {"php", "\u00a043x", ""}, {"php", "abc", ""},
		{"php", "00000000000000000000043", "43"}, {"php", "1e999", ""}, {"php", "18446744073709555712.0", "4096"}, {"php", "27670116110564327424.0", ""},
		{"php", "27670116110564331520.0", "9223372036854771712"},
		{"php", `\43`, "43"}, {"php", "4\x003", "43"}, {"php", `4\003`, "43"},
		{"node", "07", "7"}, {"node", " 7 ", "7"}, {"node", "7.0", "7"}, {"node", "0x7", "7"}, {"node", "0B111", "7"},
		{"node", "0o7", "7"}, {"node", "7e0", "7"}, {"node", ".7e1", "7"}, {"node", "70e-1", "7"}, {"node", "+7", "7"},
		{"node", "-7", "-7"}, {"node", "\u00a07\ufeff", "7"}, {"node", "\u30007\u2028", "7"},
		{"node", "0." + strings.Repeat("0", 99_999) + "7e100000", "7"}, {"node", "7" + strings.Repeat("0", 100_000) + "e-100000", "7"}, {"node", "-.7e1", "-7"},
		{"node", "0e5", "0"}, {"node", "1e9999999999", ""}, {"node", "+70.0e-1", "7"}, {"node", "7.00001e5", "700001"},
		{"node", "7abc", ""}, {"node", "7,0", ""}, {"node", "７", ""}, {"node", "7.5", ""}, {"node", "-0x7", ""},
		{"node", "0xg", ""}, {"node", "1e400", ""}, {"node", "", ""},
		{"python", "4_3", "43"}, {"python", " +43 ", "43"}, {"python", "43\v\u0085", "43"}, {"python", "-043", "-43"}, {"python", "４３", "43"},
		{"python", "𝟜𝟛", "43"}, {"python", "4__3", ""}, {"python", "43_", ""}, {"python", "_43", ""}, {"python", "43.0", ""},
		{"exact", "043", ""},
	} {
		out := rules.Carried{}
		f := finding{dialect: tt.dialect, out: &out}
		f.number(tt.text)
		if tt.canon == "" && len(out.IDs) > 0 || tt.canon != "" && !slices.Contains(out.IDs, tt.canon) {
			t.Errorf("%s reads %q as %q, want %q", tt.dialect, tt.text, out.IDs, tt.canon)
		}
	}
}

func TestGlobalIDs(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for text, want := range map[string][]string{
		"gid://shopify/ProductVariant/7":                      {"gid://shopify/ProductVariant/7", "7"},
		"gid://shopify/ProductVariant/7?cart=x#y":             {"7"},
		encode("gid://shopify/ProductVariant/7"):              {"gid://shopify/ProductVariant/7", "7"},
		encode("ProductVariant:7"):                            {"UHJvZHVjdFZhcmlhbnQ6Nw==", "ProductVariant:7", "7"},
		"UHJv\tZHVj!dFZhcmlhbnQ6Nw":                           {"ProductVariant:7", "7"},
		"UHJvZHVjdFZhcmlhbnQ6Nw==UHJv":                        {"ProductVariant:7", "7"},
		encode("ProductVariant: 07"):                          {"7"},
		encode("ProductVariant:\f7\v"):                        {"7"}, // int() of Python takes no notice of these
		encode("ProductVariant:7\u0085"):                      {"7"},
		encode("ProductVariant:f47ac10b-58cc"):                {"f47ac10b-58cc"},
		base64.URLEncoding.EncodeToString([]byte("Va:7???~")): {"Va:7???~", "7"},
		"KL1": {"KL1"},
	} {
		out := rules.Carried{}
		f := finding{dialect: rules.Python, out: &out}
		f.id(text)
		for _, id := range want {
			if !slices.Contains(out.IDs, id) {
				t.Errorf("%q gives %q, which lacks %q", text, out.IDs, id)
			}
		}
	}
	for _, text := range []string{"KL1", "KL:7", "variant_01M80YZGF15BWDF65V3", "S21hcnQgd29yZHM", ":7", "a:", "a:\x01", "ab", "A", "ABCDE"} {
		if names := globalIDs(text); names != nil {
			t.Errorf("%q is taken for %q", text, names)
		}
	}
}

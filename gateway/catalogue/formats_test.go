package catalogue

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormats reads each file of testdata, as it is and compressed, and compares the products of ids, with the lines of the
// id's row and of the row that makes it the product's.
func TestFormats(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		goods, ids int
		want       string
	}{
		"goods.csv":      {5, 10, "100=kaspersky:2:2 kts=kaspersky:2:2 KTS-1=kaspersky:3:2 102=kaspersky:4:2 200=knives:6:6 knife-18=knives:7:6 300="},
		"semicolons.csv": {3, 7, "100=kaspersky:2:2 101=kaspersky:3:2 KTS-1=kaspersky:3:2 4000000000001=kaspersky:2:2 knife=knives:4:4"},
		"tabs.tsv":       {3, 3, "kts=kaspersky:2:2 kts-1=kaspersky:3:2 knife=knives:4:4"},
		"variants.csv":   {3, 6, "100=kaspersky:2:2 102=kaspersky:3:2 kts-2=kaspersky:3:2 101=kaspersky:2:2,knives:4:4 103=knives:4:4"},
		"rss.xml":        {3, 7, "101=kaspersky:6:6 100=kaspersky:6:6 kts-1=kaspersky:6:6 4000000000001=kaspersky:6:6 102=kaspersky:16:6 kts-2=kaspersky:16:6 999= knife=knives:17:17"},
		"atom.xml":       {3, 3, "101=kaspersky:3:3 102=kaspersky:7:3 100=kaspersky:3:3 201=knives:8:8"},
		"goods.jsonld":   {6, 10, "100=kaspersky:5:5 kts-1=kaspersky:5:5 4000000000001=kaspersky:5:5 102=kaspersky:5:5 kts-2=kaspersky:5:5 kts-3=kaspersky:14:5 kts-4=kaspersky:15:5 knife-18=knives:16:16 KNIFE=knives:16:16"},
		"list.json":      {4, 5, "kts=kaspersky:2:2 kts-1=kaspersky:5:2 kts-2=kaspersky:6:2 knife=knives:7:7"},
		"one.json":       {1, 1, "kts=kaspersky:1:1"},
		"products.json": {5, 14, "7001=kaspersky:2:2 kts=kaspersky:2:2 gid://shopify/product/7001=kaspersky:2:2 44001=kaspersky:2:2 kts-1=kaspersky:2:2 " +
			"gid://shopify/ProductVariant/44001=kaspersky:2:2 44002=kaspersky:2:2 gid://shopify/ProductVariant/44002=kaspersky:2:2 knife=knives:5:5 7002=knives:5:5 44003=knives:5:5 " +
			"gid://shopify/ProductVariant/44003=knives:5:5"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := z.Write(text); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for name, text := range map[string][]byte{file: text, file + ".gz": packed.Bytes()} {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
				p := newPolicy(t, policyText)
				into := p.Catalogue()
				info, err := Load(name, dir, into)
				if err != nil {
					t.Fatal(err)
				}
				info.Modified = info.Modified.UTC()
				if want := (Info{name, fmt.Sprintf("%x", sha256.Sum256(text)), c.goods, c.ids, info.Modified}); info != want || info.Modified.IsZero() {
					t.Errorf("%+v; want %+v", info, want)
				}
				q, err := p.WithCatalogue(into)
				if err != nil {
					t.Fatal(err)
				}
				wanted := map[string]string{}
				var ids []string
				for pair := range strings.FieldsSeq(c.want) {
					i := strings.LastIndexByte(pair, '=')
					if ids = append(ids, pair[:i]); pair[i+1:] != "" {
						wanted[pair[:i]] = pair[i+1:]
					}
				}
				if diff := cmp.Diff(wanted, belongings(t, q, ids...)); diff != "" {
					t.Error(name, diff)
				}
			}
		})
	}
}

package catalogue

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"gate451/rules"
)

// TestBadFiles pins what is said of files that are not taken.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	packed := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text) // memory takes everything
		_ = z.Close()
		return b.String()
	}
	const table = "id,vendor\n1,Acme\n"
	for _, c := range []struct{ name, text, want string }{
		{"a.csv", "", "a.csv:1:1: the file is empty; write goods into it, or leave it out of catalogues"},
		{"a.csv", " \n\n", "a.csv:1:1: the file is empty; "},
		{"a.csv", "\ufeff", "a.csv:1:1: the file is empty; "},
		{"a.csv", "id,vendor\n", "a.csv:1:1: the file holds no goods; write at least one, or leave it out of catalogues"},
		{"a.csv", "vendor,title\nAcme,x\n", `a.csv:1:1: the table has no column of ids; name one id or sku in its first row, which now is "vendor,title"`},
		{"a.csv", strings.Repeat("vendor,", 50), "a.csv:1:1: the table has no column of ids; "},
		{"a.csv", table + "2\n", "a.csv:3:1: the row has another number of columns than the first one; write as many, and quote what holds a separator."},
		{"a.csv", table + "2,\"Ac", "a.csv:3:6: a quote stands where none may; "},
		{"a.csv", table + "2,Ac\"me\n", "a.csv:3:5: a quote stands where none may; "},
		{"a.csv", "id,\"vendor\n", "a.csv:1:12: a quote stands where none may; "},
		{"a.csv", table + " ,Acme\n", "a.csv:3:1: the row has no id; give it an id or a SKU, or leave it out"},
		{"a.csv", table + "2,\xe9\n", "a.csv:3:3: the file is not UTF-8; save it as UTF-8"},
		{"a.csv", table + strings.Repeat("2,é\n", 40000) + "3,\xc3\x28", "a.csv:40003:3: the file is not UTF-8; "},
		{"a.json", "[\n\xc3", "a.json:2:1: the file is not UTF-8; "},
		{"a.csv", "\xff\xfei\x00d\x00", "a.csv:1:1: the file is not UTF-8; "},
		{"a.csv", table + "2,\"" + strings.Repeat("x\n", mostRow), "a.csv:3:1: a row is longer than 4 MiB; "},
		{"a.csv", "<!DOCTYPE html>\n<title>Log in</title>", "a.csv:1:1: this is a web page; expected goods. Whatever fetches the file may have been shown a login or an error"},
		{"a.xml", "\n <HTML><body>", "a.xml:1:1: this is a web page; "},
		{"a.json", "<html>", "a.json:1:1: this is a web page; "},
		{"a.csv", "<rss></rss>", "a.csv:1:1: the file is named .csv and begins like one named .xml; expected what its name says, or a name that ends in .xml"},
		{"a.xml", "{}", "a.xml:1:1: the file is named .xml and begins like one named .json; "},
		{"a.json.gz", packed(table), "a.json.gz:1:1: the file is named .json and begins like one named .csv; "},
		{"a.pdf", "%PDF-1.7", "a.pdf:1:1: nobody knows what a file named .pdf holds; expected .csv, .tsv, .xml, .json or one of these with .gz"},
		{"a.csv.gz", packed(table)[:20], "a.csv.gz:1:1: unexpected EOF; the file may have been cut off"},
		{"a.csv.gz", packed(table)[:8], "a.csv.gz:1:1: the file cannot be decompressed: unexpected EOF; compress it again, or write it as it is"},
		{"a.csv.gz", packed(table)[:len(packed(table))-1] + "x", "a.csv.gz:1:1: gzip: invalid checksum; write the file again, whole"},
		{"a.xml", "<rss><channel></channel></rss>", "a.xml:1:1: the file holds no goods; "},
		{"a.xml", "<rss><channel>\n<item><g:id>1</g:id></item>\n", "a.xml:3:1: <channel> is never closed: unexpected EOF; the file may have been cut off"},
		{"a.xml", "<rss><channel>\n<item><g:id>1</g:i", "a.xml:2:19: unexpected EOF; the file may have been cut off"},
		{"a.xml", "<rss>\n <item><g:brand>Acme</g:brand></item></rss>", "a.xml:2:8: the row has no id; "},
		{"a.xml", "<rss><item><g:id>1</g:sku></item></rss>", "a.xml:1:27: </g:sku> closes what is not open; close each element where it ends"},
		{"a.xml", "<rss><item><g:id>1</g:id></item></rss></rss>", "a.xml:1:45: </rss> closes what is not open; "},
		{"a.xml", "<rss>&nbsp;</rss>", "a.xml:1:12: invalid character entity &nbsp;; the file must be XML"},
		{"a.xml", "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><rss/>", "a.xml:1:22: a feed has no DOCTYPE; write it without, or look at whether it is a web page"},
		{"a.xml", "<?xml version=\"1.0\"?><html><body/></html>", "a.xml:1:28: this is a web page; "},
		{"a.xml", strings.Repeat("<a>", 101), "a.xml:1:304: elements are nested more than 100 deep; a feed has five levels"},
		{"a.xml", "<rss><item><g:id>" + strings.Repeat("1", mostRow+1<<17) + "</g:id></item></rss>", "a.xml:1:"},
		{"a.json", "{}", "a.json:1:1: the file holds no goods; "},
		{"a.json", "[]", "a.json:1:1: the file holds no goods; "},
		{"a.json", `{"products": []}`, "a.json:1:1: the file holds no goods; "},
		{"a.json", `{"products": {}}`, "a.json:1:15: products is no list; expected one of goods"},
		{"a.json", `{"products": `, "a.json:1:13: the document ends before it is complete; the file may have been cut off"},
		{"a.json", `{"products": [{"id": 1},` + "\n" + `{"id": 2}`, "a.json:2:10: entry 2: the document ends before it is complete; "},
		{"a.json", `{"products": [{"id": 1},` + "\n" + ` {"id": 2`, "a.json:2:2: entry 2: the document ends before it is complete; "},
		{"a.json", `{"products": [{"vendor": "Acme"}]}`, "a.json:1:15: the row has no id; "},
		{"a.json", `{"products": [{"id": 1, "variants": [{"title": "x"}]}]}`, "a.json:1:15: the row has no id; "},
		{"a.json", `{"products": [{"id": 1, "variants": 5}]}`, "a.json:1:"},
		{"a.json", `{"products": [5]}`, "a.json:1:"},
		{"a.json", `{"products": [{"id": 1}]} {}`, "a.json:1:28: entry 1: something follows the end of the document; write one document only"},
		{"a.json", `{"products": [{"id": 1}], x}`, "a.json:1:"},
		{"a.json", `{"a": x}`, "a.json:1:6: invalid character 'x' looking for beginning of value; the file must be JSON"},
		{"a.json", `{"a"`, "a.json:1:5: the document ends before it is complete; "},
		{"a.json", `[{"@type": "Product", "name": "x"}]`, "a.json:1:2: the row has no id; "},
		{"a.json", `[{"@type": "Product", "@id": "x"}, {"@type": "ProductGroup", "productGroupID": 1, "hasVariant": [{"name": "y"}]}]`, "a.json:1:36: the row has no id; "},
		{"a.json", strings.Repeat("[", 60) + strings.Repeat("]", 60), "a.json:1:"},
	} {
		into := newPolicy(t, policyText).Catalogue()
		err := Read("a", c.name, iotest.HalfReader(strings.NewReader(c.text)), into)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %.60q:\n got %v\nwant %s", c.name, c.text, err, c.want)
			continue
		}
		if problems, ok := errors.AsType[rules.Problems](err); !ok || len(problems) != 1 || !strings.Contains(problems[0].Message, ";") {
			t.Errorf("%s %.60q: %T does not say what would be right: %[3]v", c.name, c.text, err)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	into := newPolicy(t, policyText).Catalogue()
	for name, want := range map[string]string{
		"missing.csv": ": no such file or directory; name a file that can be read under catalogues", ".": "this is no file; name a file of goods under catalogues",
	} {
		if _, err := Load(name, dir, into); err == nil || !strings.HasSuffix(err.Error(), want) || !strings.HasPrefix(err.Error(), filepath.Join(dir, name)+":1:1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(dir, "bad.csv")
	if err := os.WriteFile(path, []byte("vendor\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, "/elsewhere", into); err == nil || !strings.HasPrefix(err.Error(), path+":1:1: the table has no column of ids") {
		t.Error(err)
	}
	broken := iotest.ErrReader(errors.New("the disk is gone"))
	if err := Read("a", "a.csv", broken, into); err == nil || err.Error() != "a.csv:1:1: the disk is gone; write the file again, whole" {
		t.Error(err)
	}
	if err := Read("a", "a.csv", io.MultiReader(strings.NewReader("id\n1\n"), broken), into); err == nil || !strings.HasPrefix(err.Error(), "a.csv:") || !strings.Contains(err.Error(), "the disk is gone; ") {
		t.Error(err)
	}
}

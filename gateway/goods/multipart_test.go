package goods

import (
	"strings"
	"testing"

	"gate451/rules"
)

func TestMultipart(t *testing.T) {
	const start, end = "--b\r\nContent-Disposition: form-data; ", "\r\n\r\n43\r\n--b--\r\n"
	for _, tt := range []struct {
		name, contentType, body string
		dialect                 rules.Dialect
		present, undetermined   bool
	}{
		{"as browsers do", "", start + `name="id"` + end, "php", true, false},
		{"unquoted", "", start + `name=id` + end, "php", true, false},
		{"single quotes", "", start + `name='id'` + end, "php", true, false},
		{"two names", "", start + `name="x"; name="id"` + end, "php", true, false},
		{"two names", "", start + `name="id"; name="x"` + end, "node", true, false},
		{"escaped", "", start + `name="i\"d"; NAME="id"` + end, "php", true, false},
		{"a semicolon in quotes", "", start + `x=";name=no"; name=id` + end, "php", true, false},
		{"bare line feeds", "", strings.ReplaceAll(start+`name="id"`+end, "\r", ""), "php", true, false},
		{"a preamble", "", "hello\r\n" + start + `name="id"` + end, "php", true, false},
		{"an epilogue with a part", "", "--b--\r\n" + start + `name="id"` + end, "php", true, false},
		{"no closing boundary", "", start + `name="id"` + "\r\n\r\n43", "php", true, false},
		{"a folded header", "", start + "\r\n name=\"id\"" + end, "php", true, false},
		{"odd case", "", "--b\r\nCONTENT-disposition:form-data;name=id" + end, "php", true, false},
		{"capitals", "MULTIPART/Form-Data; BOUNDARY=b", start + `name="id"` + end, "php", true, false},
		{"a quoted boundary", `multipart/form-data; boundary="b"; x=y`, start + `name="id"` + end, "php", true, false},
		{"two boundaries", `multipart/form-data; boundary=x; boundary=b`, start + `name="id"` + end, "php", true, false},
		{"five boundaries", `multipart/form-data;boundary=b;boundary=1;boundary=2;boundary=3;boundary=4`,
			start + `name="id"` + end, "php", true, true},
		{"a boundary with a quote", `multipart/form-data; boundary="x\"b"`, strings.ReplaceAll(start, "--b", `--x"b`) + `name="id"` + end, "php", false, true},
		{"a foreign charset behind another letter", "", start + "name=id\r\nContent-Type: text/plain; x=\"\u212a\"; charset=gbk\r\n\r\n43\r\n--b--", "node", true, true},
		{"a name of PHP's", "", start + `name=" i.d[x"; name="id"` + end, "php", true, false},
		{"a file", "", start + `name="id"; filename="x"` + end, "php", false, false},
		{"a file", "", start + `name="id"; filename="x"` + end, "node", false, false},
		{"an empty file's name", "", start + `name="id"; filename=""` + end, "php", false, false},
		{"an empty file's name", "", start + `name="id"; filename=""` + end, "node", true, false},
		{"an extended name", "", start + `name*=utf-8''%69d` + end, "python", true, false},
		{"base64", "", start + "name=id\r\nContent-Transfer-Encoding: base64\r\n\r\nNDM=\r\n--b--", "python", true, false},
		{"quoted-printable", "", start + "name=id\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n43\r\n--b--", "python", true, true},
		{"broken base64", "", start + "name=id\r\nContent-Transfer-Encoding: base64\r\n\r\n43!\r\n--b--", "php", true, true},
		{"a foreign charset", "", start + "name=id\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n43\r\n--b--", "node", true, true},
		{"another name", "", start + `name="ids"` + end, "php", false, false},
		{"no name", "", start + `x="ids"` + end, "php", false, false},
		{"no header's end", "", start + `name=id`, "php", false, false},
		{"another boundary", "multipart/form-data; boundary=c", start + `name="id"` + end, "php", false, true},
		{"no boundary", "multipart/form-data; boundary=; boundary", start + `name="id"` + end, "php", false, true},
	} {
		t.Run(tt.name+string(tt.dialect), func(t *testing.T) {
			if tt.contentType == "" {
				tt.contentType = "multipart/form-data; boundary=b"
			}
			var ids []string
			if tt.present {
				ids = []string{"43"}
			}
			check(t, read(post("/", tt.contentType, tt.body), carrier(tt.dialect, "form id")), tt.present, tt.undetermined, ids...)
		})
	}
	r := post("/", "multipart/form-data; boundary=b", start+`name="id"`+end)
	r.Method = "PUT"
	check(t, read(r, carrier("php", "form id")), false, false)
}

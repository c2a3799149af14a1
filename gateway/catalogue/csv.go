package catalogue

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"gate451/rules"
)

// readCSV reads a table (RFC 4180) with a header.
func readCSV(in *text, rows *rows) error {
	r := csv.NewReader(in)
	r.Comma, r.ReuseRecord = separator(in.head()), true
	header, err := r.Read()
	if err != nil {
		return in.table(err)
	}
	columns, shared, err := in.columns(header, r)
	if err != nil {
		return err
	}
	for _, column := range columns {
		rows.asked[column] = rows.into.Column(column)
	}
	for {
		in.pass(r.InputOffset())
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return in.table(err)
		}
		line, column := r.FieldPos(0)
		rows.begin(line)
		for i, value := range record {
			if columns[i] != "" {
				rows.column(columns[i], value)
				if columns[i] == shared {
					rows.column("parent", value)
				}
			}
		}
		if err := rows.end(line, column); err != nil {
			return in.placed(err, line, column, "")
		}
	}
}

// separator returns what separates the columns of a header.
func separator(head []byte) rune {
	header, _, _ := bytes.Cut(head, []byte("\n"))
	best, most := ',', bytes.Count(header, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(header, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// columns returns what the columns mean, and which is shared by the variants of one good beside the parent. A product's number
// beside a variant's is the parent's; where there are neither ids nor parents, the handle is, as in Shopify's exports.
func (t *text) columns(header []string, r *csv.Reader) (columns []string, shared string, err error) {
	columns = make([]string, len(header))
	has := make(map[string]int)
	for i, name := range header {
		columns[i] = rules.Column(name)
		has[columns[i]]++
	}
	product, variant := -1, -1
	for i, name := range header {
		switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_") {
		case "product_id":
			product = i
		case "variant_id":
			variant = i
		}
	}
	switch {
	case has["id"]+has["sku"]+has["handle"]+has["gtin"]+has["mpn"] == 0:
		line, column := r.FieldPos(0)
		return nil, "", problem(t.path, line, column, "the table has no column of ids; name one id or sku in its first row, which now is %q", short(strings.Join(header, string(r.Comma))))
	case product >= 0 && variant >= 0 && has["parent"] == 0:
		columns[product] = "parent"
	case has["id"]+has["parent"] == 0:
		shared = "handle"
	}
	return columns, shared, nil
}

// short cuts a text that is shown.
func short(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// table says where a table is wrong.
func (t *text) table(err error) error {
	wrong, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return problem(t.path, wrong.Line, wrong.Column, "the row has another number of columns than the first one; write as many, and quote what holds a separator. A file that was cut off ends so, too")
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return problem(t.path, wrong.Line, wrong.Column, "a quote stands where none may; write a value that holds one as \"in \"\"quotes\"\"\". A file that was cut off ends so, too")
	}
	return problem(t.path, wrong.Line, wrong.Column, "%v%s", wrong.Err, remedy(wrong.Err))
}

package catalogue

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"gate451/rules"
)

// readFeed reads a feed for Google Merchant, RSS 2.0 or Atom: of each item or entry the elements, with or without a prefix.
func readFeed(in *text, rows *rows) error {
	f := feed{in: in, rows: rows, decoder: xml.NewDecoder(in), names: make(map[string]string)}
	for {
		token, err := f.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = f.token(token)
		}
		if err != nil {
			return f.because(err)
		}
	}
	if len(f.open) > 0 {
		return f.because(fmt.Errorf("<%s> is never closed: %w", f.open[len(f.open)-1], io.ErrUnexpectedEOF))
	}
	return nil
}

// feed is a feed that is being read.
type feed struct {
	in      *text
	rows    *rows
	decoder *xml.Decoder
	names   map[string]string // columns by element
	open    []string
	item    int // how deep the item is that is being read; 0 outside of one
	line    int
	column  int
	value   strings.Builder
	href    string
}

func (f *feed) token(token xml.Token) error {
	switch token := token.(type) {
	case xml.StartElement:
		return f.begin(token)
	case xml.EndElement:
		return f.end(token.Name)
	case xml.CharData:
		if f.item > 0 && len(f.open) == f.item+1 {
			f.value.Write(token)
		}
	case xml.Directive:
		if strings.HasPrefix(strings.ToLower(string(token)), "doctype") {
			return problem(f.in.path, f.line, f.column, "a feed has no DOCTYPE; write it without, or look at whether it is a web page")
		}
	}
	if f.item == 0 {
		f.pass()
	}
	return nil
}

// pass says that what was read is done with.
func (f *feed) pass() {
	f.in.pass(f.decoder.InputOffset())
	f.line, f.column = f.decoder.InputPos()
}

func (f *feed) begin(e xml.StartElement) error {
	f.open = append(f.open, full(e.Name))
	switch depth := len(f.open); {
	case depth > 100:
		return errors.New("elements are nested more than 100 deep; a feed has five levels")
	case depth == 1 && strings.EqualFold(e.Name.Local, "html"):
		return errors.New("this is a web page; expected a feed. Whatever fetches the file may have been shown a login or an error")
	case f.item == 0 && (e.Name.Local == "item" || e.Name.Local == "entry") && depth > 1:
		f.item = depth
		f.line, f.column = f.decoder.InputPos()
		f.rows.begin(f.line)
	case f.item > 0 && depth == f.item+1:
		f.value.Reset()
		f.href = ""
		for _, a := range e.Attr {
			if a.Name.Local == "href" {
				f.href = a.Value
			}
		}
	}
	return nil
}

// full is the name of an element as it is written.
func full(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func (f *feed) end(name xml.Name) error {
	depth := len(f.open)
	if depth == 0 || f.open[depth-1] != full(name) {
		return fmt.Errorf("</%s> closes what is not open; close each element where it ends", full(name))
	}
	f.open = f.open[:depth-1]
	switch {
	case f.item > 0 && depth == f.item+1:
		column, known := f.names[name.Local]
		if !known {
			column = rules.Column(name.Local)
			f.names[name.Local] = column
		}
		value := f.value.String()
		if value == "" {
			value = f.href
		}
		f.rows.column(column, value)
	case depth == f.item:
		f.item = 0
		err := f.rows.end(f.line, f.column)
		if err != nil {
			err = f.in.placed(err, f.line, f.column, "")
		}
		f.pass()
		return err
	}
	return nil
}

// because says where the feed is wrong.
func (f *feed) because(err error) error {
	line, column := f.decoder.InputPos()
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		if strings.Contains(syntax.Msg, "EOF") {
			return problem(f.in.path, line, column, "%s%s", syntax.Msg, remedy(io.ErrUnexpectedEOF))
		}
		return problem(f.in.path, line, column, "%s; the file must be XML", syntax.Msg)
	}
	return f.in.placed(err, line, column, "")
}

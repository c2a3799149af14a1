package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// document is a JSON document that is read entry by entry.
type document struct {
	in      *text
	decoder *json.Decoder
	entries int
}

// readJSON reads Shopify's products.json, an object whose list of products is called that, or else JSON-LD: an object, a list
// of objects, or an object with a @graph.
func readJSON(in *text, rows *rows) error {
	d := &document{in: in, decoder: json.NewDecoder(in)}
	linked := &linked{rows: rows, d: d, parents: make(map[string]string)}
	err := d.read(func() error { return d.product(rows) }, linked)
	if err == nil {
		err = linked.end()
	}
	if err != nil {
		return d.because(err)
	}
	return nil
}

func (d *document) read(product func() error, linked *linked) error {
	first, err := d.decoder.Token()
	if err != nil {
		return err
	}
	if first == json.Delim('[') {
		err = d.each(linked.entry)
	} else {
		err = d.object(product, linked)
	}
	if err != nil {
		return err
	}
	if _, err := d.decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the document; write one document only")
	}
	return nil
}

// object reads the members of the outermost object. What is no list of entries is gathered: it may itself be the one entry.
func (d *document) object(product func() error, linked *linked) error {
	whole := make(map[string]any)
	for d.decoder.More() {
		name, err := d.decoder.Token()
		if err != nil {
			return err
		}
		var list func() error
		switch name {
		case "products":
			list = product
		case "@graph", "itemListElement":
			list = linked.entry
		}
		if list == nil {
			var value any
			if err := d.decode(&value); err != nil {
				return err
			}
			whole[fmt.Sprint(name)] = value
			continue
		}
		if open, err := d.decoder.Token(); err != nil {
			return err
		} else if open != json.Delim('[') {
			return fmt.Errorf("%s is no list; expected one of goods", name)
		}
		if err := d.each(list); err != nil {
			return err
		}
	}
	if _, err := d.decoder.Token(); err != nil {
		return err
	}
	return linked.take(whole, "", 0)
}

// each reads the elements of a list, up to its end.
func (d *document) each(element func() error) error {
	for d.decoder.More() {
		d.in.pass(d.decoder.InputOffset() + d.between())
		d.entries++
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.decoder.Token()
	return err
}

// between returns how much stands between two elements, as far as it has been read.
func (d *document) between() (n int64) {
	var some [256]byte
	got, _ := d.decoder.Buffered().Read(some[:]) // what is in memory cannot fail
	for n < int64(got) && strings.IndexByte(" \t\r\n,", some[n]) >= 0 {
		n++
	}
	return n
}

// decode reads one value.
func (d *document) decode(value any) error {
	d.decoder.UseNumber()
	return d.decoder.Decode(value)
}

// because says where the document is wrong: at the entry that begins there.
func (d *document) because(err error) error {
	d.in.pass(d.decoder.InputOffset())
	line, column := d.in.line, int(d.in.passed-d.in.start)+1
	entry := ""
	if d.entries > 0 {
		entry = fmt.Sprintf("entry %d: ", d.entries)
	}
	switch syntax, ok := errors.AsType[*json.SyntaxError](err); {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), ok && syntax.Error() == "unexpected end of JSON input":
		return problem(d.in.path, line, column, "%sthe document ends before it is complete%s", entry, remedy(io.ErrUnexpectedEOF))
	case ok:
		return problem(d.in.path, line, column, "%s%v; the file must be JSON", entry, syntax)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return problem(d.in.path, line, column, "%s%s is a %s; expected what such a document has there", entry, wrong.Field, wrong.Value)
	}
	return d.in.placed(err, line, column, entry)
}

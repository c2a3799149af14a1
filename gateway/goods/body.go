package goods

import (
	"net/http"

	"gate451/rules"
)

// hasBody reports whether the request has a body, be it an empty one.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// takeBody reads what the fields in the body hold, if there are any in one of this method and type.
func takeBody(w http.ResponseWriter, r *http.Request, query string, all places, opts Options) {
	t := typeOf(r.Header)
	if t.kinds == 0 {
		t.kinds = unknown
	}
	forms := all.which(func(p *place) bool {
		return (p.field.In == rules.InForm || p.field.In == rules.InParam) && formsIn(r, query, t.kinds, p.dialect)
	})
	values := all.which(func(p *place) bool { return p.field.In == rules.InJSON && t.kinds&(jsonKind|unknown) != 0 })
	operations := all.of(rules.InGraphQL)
	asked := operationOf(query)
	if len(forms)+len(values)+len(operations) == 0 {
		return
	}
	fail := func() {
		forms.undetermined()
		values.undetermined()
		operations.undetermined()
	}
	raw, err := readBody(w, r, opts)
	if len(raw) == 0 && err == nil && len(r.Header["Content-Type"]) == 0 {
		takeOperations(asked, nil, operations, opts)
		return // it takes no type to say nothing
	}
	contents, sound := decodings(raw, r.Header["Content-Encoding"], opts)
	if err != nil || !sound || t.kinds&unknown != 0 {
		fail()
	}
	var found []envelope
	for i, content := range contents {
		// What is encoded need not be well-formed before it is decoded; but nobody encodes parts, which Node would not decode.
		c := reader{content: content, t: t, sure: i == 0 || t.kinds&multipartKind != 0, forms: forms, values: values, operations: operations}
		found = append(found, c.read()...)
	}
	takeOperations(asked, found, operations, opts)
}

// reader reads one content of a body.
type reader struct {
	content []byte
	t       contentType
	// sure is false where the content is but one of several, and need not be well-formed.
	sure                      bool
	forms, values, operations places
}

// read reads forms and JSON, and returns the GraphQL requests in the content.
func (c *reader) read() []envelope {
	var found []envelope
	kinds := c.t.kinds
	if looksLikeJSON(c.content) && (kinds&jsonKind != 0 || kinds&unknown != 0 || len(c.operations) > 0) {
		found = append(found, c.readJSON(kinds&jsonKind != 0)...)
	} else if kinds&jsonKind != 0 {
		c.broken(c.values, c.operations)
	}
	if kinds&^jsonKind == 0 {
		return found
	}
	text := string(c.content)
	if kinds&graphqlKind != 0 && len(c.operations) > 0 {
		var e envelope
		e.query(text)
		found = append(found, e)
	}
	if kinds&(formKind|unknown) != 0 {
		takeParams(text, c.forms)
		if len(c.operations) > 0 {
			found = append(found, operationOf(text))
		}
	}
	if kinds&multipartKind != 0 {
		found = append(found, c.readMultipart(text)...)
	}
	return found
}

// broken marks places as undetermined whose content is not what it is said to be.
func (c *reader) broken(which ...places) {
	if !c.sure {
		return
	}
	for _, p := range which {
		p.undetermined()
	}
}

// readJSON reads a content in JSON.
func (c *reader) readJSON(declared bool) []envelope {
	texts, sound := jsonTexts(c.content, c.t.charset)
	if !sound && declared {
		c.broken(c.values, c.operations)
	}
	var found []envelope
	for _, text := range texts {
		takeJSON(text, c.values)
		if len(c.operations) > 0 {
			found = append(found, envelopesOf(text)...)
		}
	}
	return found
}

// readMultipart reads a content in parts.
func (c *reader) readMultipart(text string) []envelope {
	var found []envelope
	sound := false
	for _, boundary := range c.t.boundaries {
		var e envelope
		there := eachPart(text, boundary, func(p part) {
			if p.odd {
				c.broken(c.forms, c.operations)
			}
			for _, value := range p.values {
				found = append(found, c.readPart(&p, value, &e)...)
			}
		})
		found, sound = append(found, e), sound || there
	}
	if !sound {
		c.broken(c.forms, c.operations)
	}
	return found
}

// readPart reads one part, and adds it to the GraphQL request e or returns those that it holds.
func (c *reader) readPart(p *part, value string, e *envelope) []envelope {
	var found []envelope
	for _, name := range p.names {
		takeParam(name, value, false, c.filed(p))
		switch {
		case len(c.operations) == 0:
		case name == "operations":
			in := reader{content: []byte(value), sure: c.sure, operations: c.operations}
			found = append(found, in.readJSON(true)...)
		default:
			e.form(name, value)
		}
	}
	return found
}

// filed returns the forms that take the part: PHP puts whatever has a file's name among the files.
func (c *reader) filed(p *part) places {
	if !p.file {
		return c.forms
	}
	return c.forms.which(func(in *place) bool { return in.dialect != rules.PHP && !p.named })
}

package goods

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// envelope is a GraphQL request: what stands around its document. Whatever is there more than once is kept each time,
// because it is the shop that chooses.
type envelope struct {
	queries []string
	// names are those of the operation that is to be run.
	names []string
	// variables are JSON objects, and fields those variables that come as fields of a form.
	variables []gjson.Result
	fields    []variable
	// sent are the values of variables by their names, once index has been called.
	sent map[string][]gjson.Result
	// unread says that there are variables that could not be read.
	unread bool
	// hashes are the digests by which a document is named, or registered if it is there as well, and versions those of the
	// protocol by which it is; stored says that one is named in another way.
	hashes, versions []string
	stored           bool
	// blank says that a document is there and is none.
	blank bool
	// batched says that it is one of a batch.
	batched bool
}

// variable is a part of a variable: variables[input][lines][0][id]=7.
type variable struct {
	path  []string
	value string
}

// form adds a field of a form.
func (e *envelope) form(name, value string) {
	base, path := indices(name)
	switch {
	case base == "variables" && len(path) > 0:
		e.fields = append(e.fields, variable{path, value})
	case base == "variables":
		e.object(gjson.Parse(value), value)
	case base == "extensions" && len(path) > 0:
		switch {
		case slices.Contains(path, "sha256Hash"):
			e.hashes = append(e.hashes, value)
		case slices.Contains(path, "version"):
			e.versions = append(e.versions, value)
		}
	case base == "extensions":
		e.extensions(gjson.Parse(value))
	case base == "query" && len(path) == 0:
		e.query(value)
	case base == "operationName" && len(path) == 0:
		e.names = append(e.names, value)
	case base == "documentId":
		e.stored = true
	}
}

func (e *envelope) query(text string) {
	if strings.TrimSpace(text) == "" {
		e.blank = true
		return
	}
	e.queries = append(e.queries, text)
}

// object adds variables, which may be JSON in a text.
func (e *envelope) object(value gjson.Result, text string) {
	switch {
	case value.IsObject() && !tooNested(text) && gjson.Valid(text):
		e.variables = append(e.variables, value)
	case strings.TrimSpace(text) != "" && value.Type != gjson.Null:
		e.unread = true
	}
}

// extensions reads the extension for persisted queries. Extensions may be JSON in a text.
func (e *envelope) extensions(value gjson.Result) {
	if value.Type == gjson.String {
		value = gjson.Parse(value.Str)
	}
	eachValue(value, []string{"persistedQuery"}, "", func(_ string, persisted gjson.Result) {
		named := false
		eachValue(persisted, []string{"sha256Hash"}, "", func(_ string, hash gjson.Result) {
			e.hashes, named = append(e.hashes, hash.String()), true
		})
		eachValue(persisted, []string{"version"}, "", func(_ string, version gjson.Result) {
			e.versions = append(e.versions, version.String())
		})
		e.stored = e.stored || !named && persisted.Type != gjson.Null
	})
}

// envelopesOf reads the GraphQL requests of a JSON text: one, or a batch of them.
func envelopesOf(text string) []envelope {
	root := gjson.Parse(text)
	if !root.IsArray() {
		return []envelope{envelopeOf(root)}
	}
	var all []envelope
	root.ForEach(func(_, element gjson.Result) bool {
		e := envelopeOf(element)
		e.batched = true
		all = append(all, e)
		return len(all) <= mostBatch
	})
	return all
}

func envelopeOf(value gjson.Result) envelope {
	var e envelope
	if !value.IsObject() {
		return e
	}
	value.ForEach(func(key, member gjson.Result) bool {
		switch key.Str {
		case "query":
			e.query(member.Str)
		case "operationName":
			e.names = append(e.names, member.Str)
		case "variables":
			if member.Type == gjson.String {
				e.object(gjson.Parse(member.Str), member.Str)
			} else {
				e.object(member, member.Raw)
			}
		case "extensions":
			e.extensions(member)
		case "documentId", "queryId", "doc_id", "id":
			e.stored = e.stored || member.Type == gjson.String
		}
		return true
	})
	return e
}

// index lists the variables by name. A hostile document asks for more of them than could be searched for.
func (e *envelope) index() {
	if e.sent != nil {
		return
	}
	e.sent = map[string][]gjson.Result{}
	for _, object := range e.variables {
		object.ForEach(func(key, value gjson.Result) bool {
			e.sent[key.Str] = append(e.sent[key.Str], value)
			return true
		})
	}
	slices.SortStableFunc(e.fields, func(a, b variable) int { return strings.Compare(a.path[0], b.path[0]) })
}

// fieldsOf returns the fields of a form that are a variable, or parts of it.
func (e *envelope) fieldsOf(name string) []variable {
	byName := func(v variable, name string) int { return strings.Compare(v.path[0], name) }
	from, ok := slices.BinarySearchFunc(e.fields, name, byName)
	if !ok {
		return nil
	}
	to := from
	for to < len(e.fields) && e.fields[to].path[0] == name {
		to++
	}
	return e.fields[from:to]
}

// merge adds what another source holds: some servers take each part from the query first and else from the body.
func (e *envelope) merge(other envelope) {
	e.queries = append(e.queries, other.queries...)
	e.names = append(e.names, other.names...)
	e.variables = append(e.variables, other.variables...)
	e.fields = append(e.fields, other.fields...)
	e.unread = e.unread || other.unread
	e.hashes = append(e.hashes, other.hashes...)
	e.versions = append(e.versions, other.versions...)
	e.stored = e.stored || other.stored
	e.blank = e.blank || other.blank
}

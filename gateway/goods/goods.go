package goods

import (
	"net/http"
	"strings"
	"time"

	"gate451/rules"
)

// The defaults of Options.
const (
	DefaultMostBytes = 256 << 10
	DefaultPatience  = 5 * time.Second
)

// Options are the bounds within which bodies are read. The zero value of each means its default.
type Options struct {
	// MostBytes is how long a body may be, both as it is sent and after every decoding.
	MostBytes int64
	// Patience is how long the client may take to send it.
	Patience time.Duration
	// Documents are those of persisted queries, which have a digest in place of their document. What has been registered
	// with a shop before is looked up there, and what is registered by this request is added. None are known if it is nil.
	Documents *Documents
	// Decoders are used, and kept, for bodies with a content coding. They are made anew for each if it is nil.
	Decoders *Decoders
}

// Read reads what the carriers' fields hold, and returns one rules.Carried for each carrier, in order.
//
// It looks at the query of r.RequestURI as it came, at the given readings of the path, and at the body only if some
// carrier has a field that may be in a body of this method and type. What it has read of the body it puts back: r.Body
// then yields byte for byte what came, waits for the rest where that is slow, and ends with the error that came, if
// any. r.ContentLength and r.Header stay as they are.
//
// A body that is too long, too slow, cut off, malformed, or of an unknown type, charset or encoding makes the carriers
// undetermined that have fields in such a body; what can be made out in it is returned nevertheless. w may be nil. It
// serves to let go of a client that never sends its body, once the request has been answered.
func Read(w http.ResponseWriter, r *http.Request, paths []string, carriers []*rules.Carrier, opts Options) []rules.Carried {
	if opts.MostBytes <= 0 {
		opts.MostBytes = DefaultMostBytes
	}
	if opts.Patience <= 0 {
		opts.Patience = DefaultPatience
	}
	out := make([]rules.Carried, len(carriers))
	places, findings := survey(r.Method, carriers, out)
	query := rawQuery(r)
	takePaths(paths, places)
	takeQuery(query, places.of(rules.InQuery, rules.InParam))
	if places = places.possible(); hasBody(r) {
		takeBody(w, r, query, places, opts)
	} else {
		takeOperations(operationOf(query), nil, places.of(rules.InGraphQL), opts)
	}
	for i := range findings {
		findings[i].settle()
	}
	return out
}

// place is a field of a carrier, and where to put what is found there.
type place struct {
	*finding
	field rules.Field
	// name is the field's, without what follows the question mark; inner is that.
	name, inner string
	// condition is what the place is looked at for, where it is not for products.
	condition *condition
}

type places []place

// survey lists the fields and conditions of all carriers.
func survey(method string, carriers []*rules.Carrier, out []rules.Carried) (places, []finding) {
	findings := make([]finding, len(carriers))
	fields, wheres := 0, 0
	for i, c := range carriers {
		out[i].Carrier = c.ID
		findings[i] = finding{dialect: c.Dialect, carrier: c, out: &out[i]}
		fields, wheres = fields+len(c.Fields), wheres+len(c.Where)
	}
	all, conditions := make(places, 0, fields+wheres), make([]condition, wheres)
	for i, c := range carriers {
		for _, field := range c.Fields {
			p := place{finding: &findings[i], field: field, name: field.Name}
			if field.In != rules.InPath && field.In != rules.InGraphQL {
				// A value that is a target itself, as those in WordPress' batches are: requests.#.path?id.
				if i := strings.LastIndexByte(field.Name, '?'); i > 0 {
					p.name, p.inner = field.Name[:i], field.Name[i+1:]
				}
			}
			all = append(all, p)
		}
		findings[i].where, conditions = conditions[:len(c.Where):len(c.Where)], conditions[len(c.Where):]
		all = findings[i].survey(method, c.Where, all)
	}
	return all, findings
}

// of returns the places in any of the given parts of a request.
func (all places) of(parts ...rules.FieldPlace) places {
	return all.which(func(p *place) bool {
		for _, in := range parts {
			if p.field.In == in {
				return true
			}
		}
		return false
	})
}

func (all places) which(keep func(*place) bool) places {
	var some places
	for i := range all {
		if keep(&all[i]) {
			some = append(some, all[i])
		}
	}
	return some
}

// undetermined marks what the places belong to.
func (all places) undetermined() {
	for i := range all {
		if c := all[i].condition; c != nil {
			c.unread = true
		} else {
			all[i].out.Undetermined = true
		}
	}
}

// rawQuery returns the query of the target as it came.
func rawQuery(r *http.Request) string {
	if r.RequestURI == "" && r.URL != nil {
		return r.URL.RawQuery
	}
	_, query, _ := strings.Cut(r.RequestURI, "?")
	return query
}

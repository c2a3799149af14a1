package goods

import (
	"strings"

	"github.com/tidwall/gjson"

	"gate451/rules"
)

// condition is a condition of a carrier, and what the request has to say to it.
type condition struct {
	rules.Condition
	met    bool
	unread bool // it may be met by what could not be read
}

// survey adds the places that conditions of the carrier are about. The method has none, and is looked at right away.
func (f *finding) survey(method string, where []rules.Condition, all places) places {
	for i, c := range where {
		f.where[i].Condition = c
		if c.In == rules.InMethod {
			f.where[i].met = strings.EqualFold(c.Name, method)
			continue
		}
		all = append(all, place{finding: f, field: rules.Field{In: c.In, Name: c.Name}, name: c.Name, condition: &f.where[i]})
	}
	return all
}

// take looks at a value of the parameter. One of several is enough, whichever it is that the shop takes.
func (c *condition) take(value string) {
	if c.met {
		return
	}
	if c.met = c.Is == ""; !c.met {
		_, c.met = glob(strings.ToLower(c.Is), strings.ToLower(value))
	}
}

// takeValue looks at a value in JSON. Of a list, each element is one.
func (c *condition) takeValue(value gjson.Result) {
	c.take(value.String())
	if value.IsArray() {
		value.ForEach(func(_, element gjson.Result) bool {
			c.take(element.String())
			return true
		})
	}
}

// possible leaves out the places of carriers that have a condition for the query or the method which is not met: no body is read
// for them.
func (all places) possible() places {
	impossible := func(p *place) bool {
		for i := range p.where {
			if c := &p.where[i]; (c.In == rules.InQuery || c.In == rules.InMethod) && !c.met {
				return true
			}
		}
		return false
	}
	for i := range all {
		if impossible(&all[i]) {
			return all.which(func(p *place) bool { return !impossible(p) })
		}
	}
	return all
}

// settle forgets what was found where a condition is not met, and else says what has not been found. To meet all is enough for a
// carrier that has no fields but for the cart's id in the path.
func (f *finding) settle() {
	unread := false
	for i := range f.where {
		switch c := &f.where[i]; {
		case c.met:
		case c.unread:
			unread = true
		default:
			*f.out = rules.Carried{Carrier: f.out.Carrier}
			return
		}
	}
	f.out.Undetermined = f.out.Undetermined || unread
	f.out.Present = f.out.Present || alone(f.carrier)
	if f.unsent {
		f.out.Unsent = !f.out.Present && !f.out.Undetermined
		f.out.Present, f.out.Undetermined = true, true
	}
}

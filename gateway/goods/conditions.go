package goods

import (
	"strings"

	"gate451/rules"
)

// condition is a condition of a carrier, and what the request has to say to it.
type condition struct {
	rules.Condition
	met    bool
	unread bool // it may be met by what could not be read
}

// survey adds the places that conditions of the carrier are about.
func (f *finding) survey(where []rules.Condition, all places) places {
	if len(where) == 0 {
		return all
	}
	f.where = make([]condition, len(where))
	for i, c := range where {
		f.where[i].Condition = c
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

// possible leaves out the places of carriers that have a condition for the query which the query does not meet: no body is
// read for them.
func (all places) possible() places {
	impossible := func(p *place) bool {
		for i := range p.where {
			if c := &p.where[i]; c.In == rules.InQuery && !c.met {
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

// settle forgets what was found where a condition is not met, and else says what has not been found.
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
	if f.unsent {
		f.out.Unsent = !f.out.Present && !f.out.Undetermined
		f.out.Present, f.out.Undetermined = true, true
	}
}

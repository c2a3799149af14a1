package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gate451/rules"
)

// PolicyChange is one thing in which a policy differs from another.
type PolicyChange struct {
	// Part is "rule", "activity", "product", "title", "catalogue" or "policy"; Name is which of them, empty for the policy itself.
	Part string `json:"part"`
	Name string `json:"name"`
	// Field is what of it has changed; empty if it was added or taken away as a whole.
	Field string `json:"field"`
	// Words say for people what has changed.
	Words string `json:"words"`
}

// String returns the change for people.
func (c PolicyChange) String() string { return strings.TrimSpace(c.Part+" "+c.Name) + " " + c.Words }

// outline is a policy's text, as far as it has to be told apart.
type outline struct {
	Activities map[string][]json.RawMessage `json:"activities"`
	Products   map[string][]json.RawMessage `json:"products"`
	Titles     map[string]string            `json:"titles"`
	Rules      []ruleOutline                `json:"rules"`

	all map[string]json.RawMessage
}

// outlined are the keys of a policy that an outline has as its own; whatever else the language has is compared as it is.
var outlined = []string{"activities", "products", "titles", "rules"}

// ruleOutline has all fields of a rule, whichever the language has.
type ruleOutline map[string]json.RawMessage

func (r ruleOutline) text(field string) string {
	var text string
	_ = json.Unmarshal(r[field], &text) // what is no text is none
	return text
}

func outlineOf(p *rules.Policy) (o outline, err error) {
	if err = errors.Join(json.Unmarshal(p.Text(), &o), json.Unmarshal(p.Text(), &o.all)); err != nil {
		return o, fmt.Errorf("the policy's own text cannot be read: %w", err)
	}
	return o, nil
}

// DiffPolicies says in words how a policy differs from an older one. It compares what they mean: two that are only written
// differently do not differ. Of catalogues it compares the numbers of what is in them. Instants are told in the new policy's zone.
func DiffPolicies(before, after *rules.Policy) ([]PolicyChange, error) {
	was, err := outlineOf(before)
	if err != nil {
		return nil, err
	}
	is, err := outlineOf(after)
	if err != nil {
		return nil, err
	}
	d := &differ{zone: after.Zone(), changes: []PolicyChange{}}
	d.rules(was.Rules, is.Rules)
	d.elements("activity", was.Activities, is.Activities)
	d.elements("product", was.Products, is.Products)
	d.titles(was.Titles, is.Titles)
	for _, key := range eitherKey(was.all, is.all) {
		if !slices.Contains(outlined, key) {
			d.part("policy", "", key, was.all, is.all)
		}
	}
	d.catalogues(before.Attached(), after.Attached())
	return d.changes, nil
}

// differ gathers changes.
type differ struct {
	zone    *time.Location
	changes []PolicyChange
}

func (d *differ) add(part, name, field, words string) {
	d.changes = append(d.changes, PolicyChange{part, name, field, words})
}

func (d *differ) rules(was, is []ruleOutline) {
	before, after := byID(was), byID(is)
	for _, id := range eitherKey(before, after) {
		old, new := before[id], after[id]
		switch {
		case old == nil:
			d.add("rule", id, "", "is added: "+d.does(new))
		case new == nil:
			d.add("rule", id, "", "is taken away; it was: "+d.does(old))
		default:
			for _, field := range eitherKey(old, new) {
				d.part("rule", id, field, old, new)
			}
		}
	}
}

func byID(all []ruleOutline) map[string]ruleOutline {
	ids := make(map[string]ruleOutline)
	for _, rule := range all {
		ids[rule.text("id")] = rule
	}
	return ids
}

// eitherKey returns the keys of two maps, sorted.
func eitherKey[V any](a, b map[string]V) []string {
	keys := maps.Clone(a)
	if keys == nil {
		keys = make(map[string]V)
	}
	maps.Copy(keys, b)
	return slices.Sorted(maps.Keys(keys))
}

// does says what a rule does, and from when until when.
func (d *differ) does(r ruleOutline) string {
	products := listOf(r["products"])
	if len(products) == 0 {
		products = []string{"everything"}
	}
	words := fmt.Sprintf("blocks %s of %s in %s", r.text("activity"), strings.Join(products, ", "), strings.Join(listOf(r["countries"]), " "))
	if from := r.text("from"); from != "" {
		words += " from " + d.instant(from)
	}
	if until := r.text("until"); until != "" {
		words += " until " + d.instant(until)
	}
	if r.text("mode") != string(rules.Enforce) {
		words += " (" + r.text("mode") + " mode)"
	}
	return words
}

// instant writes an instant of a policy's text in the zone, and leaves what is none as it is.
func (d *differ) instant(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.In(d.zone).Format(time.RFC3339Nano)
}

// ends are the fields with the ends of the time in which a rule is effective, and the words for them.
var ends = map[string]struct{ verb, noun string }{"from": {"begins", "beginning"}, "until": {"ends", "end"}}

// part adds what has changed of one field of a part, if anything has.
func (d *differ) part(part, name, field string, old, new ruleOutline) {
	if words := d.field(field, old, new); words != "" {
		d.add(part, name, field, words)
	}
}

// field says how a field has changed; it is empty if it has not.
func (d *differ) field(field string, old, new ruleOutline) string {
	was, is := old[field], new[field]
	if bytes.Equal(was, is) {
		return ""
	}
	switch end, ok := ends[field]; {
	case ok && is == nil:
		return fmt.Sprintf("has no %s any more; it was at %s", end.noun, d.instant(old.text(field)))
	case ok && was == nil:
		return fmt.Sprintf("%s at %s, and had no %s before", end.verb, d.instant(new.text(field)), end.noun)
	case ok:
		return fmt.Sprintf("%s at %s instead of %s", end.verb, d.instant(new.text(field)), d.instant(old.text(field)))
	case field == "products" && is == nil:
		return "is about everything, and no longer about " + strings.Join(listOf(was), ", ") + " only"
	case field == "products" && was == nil:
		return "is about " + strings.Join(listOf(is), ", ") + " only, and no longer about everything"
	case isList(was) || isList(is):
		return "has other " + field + ": " + listWords(listOf(was), listOf(is))
	case is == nil:
		return "has no " + field + " any more; it was " + plainJSON(was)
	case was == nil:
		return "has " + field + " " + plainJSON(is) + ", and had none"
	}
	return fmt.Sprintf("has %s %s instead of %s", field, plainJSON(is), plainJSON(was))
}

func isList(text json.RawMessage) bool { return len(text) > 0 && text[0] == '[' }

// listOf returns the elements of a list, each as a text or as JSON.
func listOf(text json.RawMessage) []string {
	var elements []json.RawMessage
	_ = json.Unmarshal(text, &elements) // what is no list has none
	return textsOf(elements)
}

func textsOf(elements []json.RawMessage) []string {
	texts := make([]string, len(elements))
	for i, element := range elements {
		texts[i] = plainJSON(element)
	}
	return texts
}

// plainJSON returns a text without its quotes, and whatever else as it is.
func plainJSON(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// listWords says what has come to a list, and what is gone.
func listWords(was, is []string) string {
	var words []string
	if more := without(is, was); len(more) > 0 {
		words = append(words, "with "+strings.Join(more, ", "))
	}
	if less := without(was, is); len(less) > 0 {
		words = append(words, "without "+strings.Join(less, ", "))
	}
	return strings.Join(words, "; ")
}

// without returns the elements of one list that are not in another.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(others, one) })
}

// elements compares activities or products.
func (d *differ) elements(part string, was, is map[string][]json.RawMessage) {
	for _, name := range eitherKey(was, is) {
		before, wasThere := was[name]
		after, isThere := is[name]
		old, new := textsOf(before), textsOf(after)
		switch {
		case !wasThere:
			d.add(part, name, "", "is added: "+strings.Join(new, ", "))
		case !isThere:
			d.add(part, name, "", "is taken away")
		case !slices.Equal(old, new):
			d.add(part, name, "elements", "has other elements: "+listWords(old, new))
		}
	}
}

func (d *differ) titles(was, is map[string]string) {
	for _, product := range eitherKey(was, is) {
		if old, new := was[product], is[product]; old != new {
			d.add("title", product, "", fmt.Sprintf("is %s instead of %s", cmp.Or(new, "(none)"), cmp.Or(old, "(none)")))
		}
	}
}

// catalogues compares what files of the same name hold.
func (d *differ) catalogues(was, is []rules.CatalogueFile) {
	for _, old := range was {
		i := slices.IndexFunc(is, func(new rules.CatalogueFile) bool { return new.Name == old.Name })
		if i >= 0 && (is[i].Goods != old.Goods || is[i].IDs != old.IDs) {
			d.add("catalogue", old.Name, "", fmt.Sprintf("has %d goods and %d ids instead of %d and %d", is[i].Goods, is[i].IDs, old.Goods, old.IDs))
		}
	}
}

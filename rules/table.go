package rules

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// activityTable holds an activity's rules where Decide finds those that matter without seeing the others.
type activityTable struct {
	name         string
	everything   *group   // rules that concern everything
	byProduct    []*group // rules that concern a product, by product id
	undetermined *group   // all rules, for requests whose product could not be read
	any, reading *group   // all rules, and those for which it matters what is carried; nil if nothing can be
	listed       map[Country]bool
}

// group is a set of rules of one activity and product, by what an origin may be.
type group struct {
	places  map[string]*cell // by ISO 3166-1 or 3166-2 code
	partly  map[string]*cell // by code of a place of which rules mean a part
	unknown *cell
	odd     [len(traits)]*cell // by trait, in the order of traits
}

// cell is a timeline of the rules that apply in one place: of what is active between any two instants at
// which something changes.
type cell struct {
	bounds   []time.Time // ascending; segments[i] ends at bounds[i]
	segments []segment
}

// segment is what is active for a while.
type segment struct {
	entries   []entry
	announced []entry // that will block, the soonest first
	idle      *Rule   // where no enforced rule is active: the one that was or will be
}

// entry is a rule and what it says in this place.
type entry struct {
	rule    *Rule
	verdict Verdict
	reason  Reason
}

// at returns the segment that holds the instant.
func (c *cell) at(at time.Time) *segment {
	low, high := 0, len(c.bounds)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if at.Before(c.bounds[middle]) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return &c.segments[low]
}

// newActivityTable builds the table of an activity from its rules, which are sorted by id.
func newActivityTable(name string, rules []*Rule, productIDs map[string]int32) activityTable {
	t := activityTable{name: name, byProduct: make([]*group, len(productIDs)), listed: make(map[Country]bool)}
	var everything []*Rule
	concerning := make(map[int32][]*Rule)
	for _, rule := range rules {
		for _, code := range rule.Countries {
			t.listed[CountryOf(code[:2])] = true
		}
		if len(rule.Products) == 0 {
			everything = append(everything, rule)
		}
		for _, product := range rule.Products {
			id := productIDs[product]
			concerning[id] = append(concerning[id], rule)
		}
	}
	t.everything = newGroup(everything, false)
	t.undetermined = newGroup(rules, true)
	for id, rules := range concerning {
		t.byProduct[id] = newGroup(rules, false)
	}
	return t
}

// newGroup builds the cells of rules, which are sorted by id. Places in which the same rules apply share a
// cell.
func newGroup(rules []*Rule, undetermined bool) *group {
	if len(rules) == 0 {
		return nil
	}
	g := new(group)
	say := func(rule *Rule, v Verdict, reason Reason) entry {
		if !undetermined || v == Allow {
			return entry{rule, v, reason}
		}
		// What would be blocked if the product were known is blocked if the rule says so.
		v, _ = rule.Settings.UndeterminedProduct.verdict()
		if v == Allow || reason == ReasonListedCountry {
			reason = ReasonUndeterminedProduct
		}
		return entry{rule, v, reason}
	}
	var unknown []entry
	var odd [len(traits)][]entry
	places, partial := make(map[string][]int), make(map[string][]int)
	for i, rule := range rules {
		v, _ := rule.Settings.UnknownCountry.verdict()
		unknown = append(unknown, say(rule, v, ReasonUnknownCountry))
		for j, trait := range traits {
			setting, reason := rule.Settings.forTrait(trait)
			if v, ok := setting.verdict(); ok {
				odd[j] = append(odd[j], say(rule, v, reason))
			}
		}
		for _, code := range covered(rule.Countries) {
			places[code] = append(places[code], i)
		}
		for _, code := range partly(rule.Countries) {
			partial[code] = append(partial[code], i)
		}
	}
	g.unknown = newCell(unknown)
	for j := range odd {
		g.odd[j] = newCell(odd[j])
	}
	g.places = newCells(places, func(i int) entry { return say(rules[i], Block, ReasonListedCountry) })
	g.partly = newCells(partial, func(i int) entry {
		v, _ := rules[i].Settings.UnknownCountry.verdict()
		return say(rules[i], v, ReasonUnknownCountry)
	})
	return g
}

// newCells builds the cells of places from the numbers of the rules that apply there, and what each says.
func newCells(places map[string][]int, say func(rule int) entry) map[string]*cell {
	cells, shared := make(map[string]*cell, len(places)), make(map[string]*cell)
	for _, code := range slices.Sorted(maps.Keys(places)) {
		signature := make([]byte, 0, 4*len(places[code]))
		var entries []entry
		for _, i := range places[code] {
			signature = binary.BigEndian.AppendUint32(signature, uint32(i))
			entries = append(entries, say(i))
		}
		if shared[string(signature)] == nil {
			shared[string(signature)] = newCell(entries)
		}
		cells[code] = shared[string(signature)]
	}
	return cells
}

// newCell lays the entries, which are sorted by rule id, out in time.
func newCell(entries []entry) *cell {
	if len(entries) == 0 {
		return nil
	}
	var bounds []time.Time
	for _, e := range entries {
		for _, bound := range []time.Time{e.rule.NoticeFrom, e.rule.Effective.From, e.rule.Effective.Until} {
			if !bound.IsZero() {
				bounds = append(bounds, bound)
			}
		}
	}
	slices.SortFunc(bounds, time.Time.Compare)
	bounds = slices.CompactFunc(bounds, time.Time.Equal)

	now := newActive(entries)
	starts := make([][]int, len(bounds)) // entries by the bound at which they begin
	ends := make([][]int, len(bounds))
	notices := make([][]int, len(bounds))
	for i, e := range entries {
		if from, ok := slices.BinarySearchFunc(bounds, e.rule.Effective.From, time.Time.Compare); ok {
			starts[from] = append(starts[from], i)
		} else {
			now.begin(i)
		}
		if until, ok := slices.BinarySearchFunc(bounds, e.rule.Effective.Until, time.Time.Compare); ok {
			ends[until] = append(ends[until], i)
		}
		if notice, ok := slices.BinarySearchFunc(bounds, e.rule.NoticeFrom, time.Time.Compare); ok && e.announces() {
			notices[notice] = append(notices[notice], i)
		}
	}

	c := &cell{bounds: bounds, segments: make([]segment, 0, len(bounds)+1)}
	idle := idleRules(entries, starts, ends)
	c.segments = append(c.segments, now.segment(idle[0]))
	for i := range bounds {
		for _, e := range ends[i] {
			now.end(e)
		}
		for _, e := range starts[i] {
			now.begin(e)
		}
		for _, e := range notices[i] {
			now.announce(e)
		}
		c.segments = append(c.segments, now.segment(idle[i+1]))
	}
	return c
}

// idleRules returns, for the time before, between and after the bounds, the enforced rule to name if none is
// active: the next to come, or else the last that has ended; see Rule.nearer.
func idleRules(entries []entry, starts, ends [][]int) []*Rule {
	first := func(which []int) *Rule {
		for _, i := range which {
			if entries[i].rule.Mode == Enforce {
				return entries[i].rule
			}
		}
		return nil
	}
	idle := make([]*Rule, len(starts)+1)
	for i := range ends {
		if idle[i+1] = first(ends[i]); idle[i+1] == nil {
			idle[i+1] = idle[i]
		}
	}
	var coming *Rule
	for i := len(starts) - 1; i >= 0; i-- {
		if rule := first(starts[i]); rule != nil {
			coming = rule
		}
		if coming != nil {
			idle[i] = coming
		}
	}
	return idle
}

// active holds the entries that are active at one time: lists of indices, sorted, of the rules that would block whom they
// do not, for each weight of the enforced rules, and of those that are announced.
type active struct {
	entries   []entry
	weights   []weight
	shadows   []int
	lists     [][]int // by weight, the heaviest first
	announced []int   // by when they begin
}

func newActive(entries []entry) *active {
	a := &active{entries: entries}
	for _, e := range entries {
		if !slices.Contains(a.weights, e.weight()) {
			a.weights = append(a.weights, e.weight())
		}
	}
	slices.SortFunc(a.weights, func(a, b weight) int {
		return cmp.Or(cmp.Compare(a.verdict, b.verdict), cmp.Compare(b.reason, a.reason))
	})
	a.lists = make([][]int, len(a.weights))
	return a
}

// list returns the list that an entry belongs to; nil if the entry never matters.
func (a *active) list(i int) *[]int {
	switch e := a.entries[i]; {
	case e.rule.Mode == Enforce && (e.verdict == Allow || e.rule.Rollout == 0):
		return &a.lists[slices.Index(a.weights, e.weight())]
	case e.verdict == Block:
		return &a.shadows
	}
	return nil
}

func (a *active) begin(i int) {
	if list := a.list(i); list != nil {
		at, _ := slices.BinarySearch(*list, i)
		*list = slices.Insert(*list, at, i)
	}
	a.announced = slices.DeleteFunc(a.announced, func(j int) bool { return i == j })
}

// announce adds an entry until it begins.
func (a *active) announce(i int) {
	at, _ := slices.BinarySearchFunc(a.announced, i, func(j, i int) int {
		return cmp.Or(a.entries[j].rule.Effective.From.Compare(a.entries[i].rule.Effective.From), cmp.Compare(j, i))
	})
	a.announced = slices.Insert(a.announced, at, i)
}

// announces reports whether requests are told what the entry will say.
func (e entry) announces() bool {
	return e.verdict == Block && e.rule.Mode == Enforce && !e.rule.NoticeFrom.IsZero()
}

func (a *active) end(i int) {
	if list := a.list(i); list != nil {
		at, _ := slices.BinarySearch(*list, i)
		*list = slices.Delete(*list, at, at+1)
	}
}

// segment keeps of the active entries those that can matter: all shadow rules and those of a rollout, and the enforced ones by
// weight, up to the first that applies whatever the request is; and so of those that are announced. The idle rule is named where
// no enforced one is active for all.
func (a *active) segment(idle *Rule) segment {
	var s segment
	for _, i := range a.shadows {
		s.entries = append(s.entries, a.entries[i])
	}
	shadows := len(s.entries)
	for _, i := range a.announced {
		if s.announced = append(s.announced, a.entries[i]); a.entries[i].rule.Rollout == 0 && !a.entries[i].rule.conditional() {
			break
		}
	}
	for _, list := range a.lists {
		for _, i := range list {
			s.entries = append(s.entries, a.entries[i])
			if !a.entries[i].rule.conditional() {
				return s
			}
		}
	}
	if len(s.entries) == shadows {
		s.idle = idle
	}
	return s
}

// weight is what entries of one cell differ in beside their rules.
type weight struct {
	verdict Verdict
	reason  Reason
}

func (e entry) weight() weight { return weight{e.verdict, e.reason} }

package console

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gate451/rules"
)

// kept is how many of the latest decisions there are of each sort: those that blocked, would have or were not recorded,
// and the others.
const (
	kept     = 200
	allSorts = 2
	weighty  = 1 // the first sort alone
)

// Entry is one governed decision and the request that it is about. Nothing of it is kept by reference but what comes from
// the policy.
type Entry struct {
	Decision *rules.Decision
	// Reference is what the buyer was told to quote, or the record has; empty if there is none.
	Reference string
	// Method, Host and Path are those of the request, the path without its query.
	Method, Host, Path string
	// Unrecorded reports whether the request was answered 503, because its record could not be written.
	Unrecorded bool
}

// Feed holds the latest decisions, in memory of a fixed size. Adding one costs a copy under a lock and allocates
// nothing; nobody who reads can hold it up for longer than another copy takes. The zero Feed is empty.
type Feed struct {
	mu    sync.Mutex
	next  uint64 // the number of the next
	sorts [allSorts]struct {
		held  [kept]held
		count int // of all that there were
	}
}

// held is an entry in the memory of the feed. What a buyer chose is cut to its room.
type held struct {
	number                          uint64
	at                              time.Time
	verdict                         rules.Verdict
	reason                          rules.Reason
	rule, activity, product         string
	country                         rules.Country
	client                          netip.Addr
	shadows                         [2]string
	shadowed                        int
	unrecorded                      bool
	reference, method, host, target excerpt
}

// Add puts a decision in the place of the oldest of its sort.
func (f *Feed) Add(e *Entry) {
	d := e.Decision
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	shadowed := 0
	var shadows [2]string
	for s := range d.Shadows {
		if shadowed < len(shadows) {
			shadows[shadowed] = s.Rule.ID
		}
		shadowed++
	}
	sort := &f.sorts[1]
	if d.Verdict == rules.Block || shadowed > 0 || e.Unrecorded {
		sort = &f.sorts[0]
	}
	h := &sort.held[sort.count%kept]
	sort.count++
	h.number, h.at, h.verdict, h.reason, h.rule, h.activity, h.product = f.next, d.At, d.Verdict, d.Reason, d.RuleID(), d.Activity, d.Product
	h.country, h.client, h.shadows, h.shadowed, h.unrecorded = d.Country, d.Client, shadows, shadowed, e.Unrecorded
	h.reference.set(e.Reference)
	h.method.set(e.Method)
	h.host.set(e.Host)
	h.target.set(e.Path)
}

// excerpt is the beginning of a text, in memory of its own.
type excerpt struct {
	text   [200]byte
	length int // of the whole
}

func (x *excerpt) set(text string) {
	copy(x.text[:], text)
	x.length = len(text)
}

func (x *excerpt) kept() []byte { return x.text[:min(x.length, len(x.text))] }

// String returns it for people, with a mark where the end is missing.
func (x *excerpt) String() string {
	s := strange(string(x.kept()), 2*len(x.text))
	if x.length > len(x.text) {
		s += "..."
	}
	return s
}

// since returns what came after a number, the newest first, and the number of the newest of all. Of sort 0 alone come those
// that blocked, would have, or were not recorded.
func (f *Feed) since(number uint64, sorts int) (newest []held, last uint64) {
	f.mu.Lock()
	for i := range sorts {
		for j := range f.sorts[i].held {
			if f.sorts[i].held[j].number > number {
				newest = append(newest, f.sorts[i].held[j])
			}
		}
	}
	last = f.next
	f.mu.Unlock()
	slices.SortFunc(newest, func(a, b held) int { return cmp.Compare(b.number, a.number) })
	return newest, last
}

// find returns the entry with a reference.
func (f *Feed) find(reference string) (held, bool) {
	if reference == "" {
		return held{}, false
	}
	all, _ := f.since(0, allSorts)
	i := slices.IndexFunc(all, func(h held) bool { return string(h.reference.kept()) == reference })
	if i < 0 {
		return held{}, false
	}
	return all[i], true
}

// Decision is an entry for people: everything that a buyer chose is harmless.
type Decision struct {
	Number     uint64 `json:"number"`
	At         string `json:"at"`
	Time       string `json:"time"`
	Verdict    string `json:"verdict"`
	Kind       string `json:"kind"`
	Reason     string `json:"reason"`
	Rule       string `json:"rule"`
	Activity   string `json:"activity"`
	Product    string `json:"product"`
	Country    string `json:"country"`
	Client     string `json:"client"`
	Method     string `json:"method"`
	Host       string `json:"host"`
	Path       string `json:"path"`
	Reference  string `json:"reference"`
	Shadow     string `json:"shadow"`
	Unrecorded bool   `json:"unrecorded,omitempty"`
}

// show writes an entry for people.
func (h *held) show(client func(netip.Addr, time.Time) string) Decision {
	d := Decision{
		Number: h.number, At: h.at.Format(time.RFC3339), Time: h.at.Format("15:04:05"), Verdict: h.verdict.String(), Kind: h.kind().Class(),
		Reason: h.reason.String(), Rule: h.rule, Activity: h.activity, Product: h.product, Country: h.country.String(),
		Client: client(h.client, h.at), Reference: h.reference.String(), Unrecorded: h.unrecorded,
		Method: h.method.String(), Host: h.host.String(), Path: h.target.String(),
	}
	if h.shadowed > 0 {
		d.Shadow = h.shadows[0]
		if h.shadowed > 1 {
			d.Shadow += ", " + h.shadows[1]
		}
		if h.shadowed > len(h.shadows) {
			d.Shadow += ", and others"
		}
	}
	return d
}

func (h *held) kind() Kind {
	switch {
	case h.verdict == rules.Block:
		return Blocked
	case h.shadowed > 0:
		return WouldBlock
	}
	return Allowed
}

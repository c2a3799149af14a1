package refusal

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"gate451/rules"
)

// Marks stand in a refusal that is rendered ahead for what differs between requests. No reference has their letters, and
// nothing that writes HTML or JSON would escape them.
const (
	referenceMark = "ULUL-OIOI"
	blockedByMark = "https://ulul.oioi/"
)

// mostKept bounds what refusals that are rendered ahead may take, in bytes. There are as many as a policy has rules,
// countries and reasons, times the languages; few of them occur.
const mostKept = 8 << 20

// occasion is all that a refusal's text depends on, beside what the marks stand for.
type occasion struct {
	form                                            form
	language                                        *language
	kind, products, reason, activity, product, rule string
	country                                         rules.Country
	since, until                                    time.Time
	basis                                           Basis
	alternatives                                    *rules.Alternative // the first, and how many: those of a rule are one slice
	choices                                         int
	referenced, linked                              bool
}

// newOccasion returns the occasion of f. Its products are joined with a character that none has a use for.
func newOccasion(wanted form, l *language, f *Refusal, linked bool) occasion {
	o := occasion{
		form: wanted, language: l, kind: f.Kind, products: strings.Join(f.Products, "\x00"), reason: f.Reason,
		activity: f.Activity, product: f.Product, rule: f.Rule, country: f.Country, since: f.Since, until: f.Until,
		basis: f.Basis, choices: len(f.Alternatives), referenced: f.Reference != "", linked: linked,
	}
	if o.choices > 0 {
		o.alternatives = &f.Alternatives[0]
	}
	return o
}

// rendering is a refusal that is rendered ahead, in the form that it took.
type rendering struct {
	form  form
	parts []part
}

// part is a piece of text and what follows it.
type part struct {
	text []byte
	then hole
}

type hole uint8

const (
	end hole = iota
	holdsReference
	holdsBlockedBy
)

// split finds the marks in a text.
func split(text []byte) (parts []part) {
	for {
		mark, then := referenceMark, holdsReference
		at := bytes.Index(text, []byte(mark))
		if link := bytes.Index(text, []byte(blockedByMark)); link >= 0 && (at < 0 || link < at) {
			at, mark, then = link, blockedByMark, holdsBlockedBy
		}
		if at < 0 {
			return append(parts, part{text: bytes.Clone(text)})
		}
		parts = append(parts, part{bytes.Clone(text[:at]), then})
		text = text[at+len(mark):]
	}
}

// fill writes a rendering with what the marks stand for.
func (r *rendering) fill(buf *bytes.Buffer, ref, by string) {
	for _, p := range r.parts {
		buf.Write(p.text)
		switch p.then {
		case holdsReference:
			buf.WriteString(ref)
		case holdsBlockedBy:
			buf.WriteString(by)
		}
	}
}

// kept are the refusals that are rendered ahead. The zero value holds none.
type kept struct {
	mu    sync.RWMutex
	all   map[occasion]*rendering
	bytes int
}

func (k *kept) find(o *occasion) *rendering {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.all[*o]
}

// keep holds on to a rendering. All others are let go first if there are too many: those of a policy that was replaced
// are never asked for again, and the rest is rendered anew.
func (k *kept) keep(o occasion, r *rendering, size int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || k.bytes+size > mostKept {
		k.all, k.bytes = map[occasion]*rendering{}, 0
	}
	k.all[o], k.bytes = r, k.bytes+size
}

// isReference reports whether text is what NewReference returns, which means the same in HTML, JSON and text.
func isReference(text string) bool {
	if len(text) != 9 || text[4] != '-' {
		return false
	}
	for i := range len(text) {
		if i != 4 && strings.IndexByte(alphabet, text[i]) < 0 {
			return false
		}
	}
	return true
}

package console

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"gate451/rules"
)

// policyPage is what the page shows.
type policyPage struct {
	Now       time.Time
	State     *State
	Text      Text
	InForce   listing
	Refused   *listing
	Elsewhere rules.Problems // with a place in another file, such as a catalogue
	Rules     []ruleCount
	Pauses    []Pause
	Reloaded  *reloaded
}

// reloaded is what came of the last time that somebody pressed the button.
type reloaded struct {
	At      time.Time
	Problem string
}

// listing is a text with numbered lines.
type listing struct {
	ID    string
	Title string // for those who do not see it
	Lines []line
	// Left is how many lines are not shown.
	Left int
}

// line is one line, with what is wrong with it. From the first problem's column on, a word is marked.
type line struct {
	Number               int
	Before, Marked, Text string
	Problems             rules.Problems
}

// mostLines bounds a listing.
const mostLines = 5000

// newListing takes a text apart and puts the problems of it at their lines.
func newListing(id, title string, text []byte, problems rules.Problems) listing {
	at := map[int]rules.Problems{}
	for _, p := range problems {
		at[p.Line] = append(at[p.Line], p)
	}
	all := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	l := listing{ID: id, Title: title, Left: max(0, len(all)-mostLines)}
	for i, one := range all[:min(len(all), mostLines)] {
		n := line{Number: i + 1, Text: strings.TrimSuffix(string(one), "\r"), Problems: at[i+1]}
		if len(n.Problems) > 0 {
			n.mark(n.Problems[0].Column)
		}
		n.Before, n.Marked, n.Text = visible(n.Before), visible(n.Marked), visible(n.Text)
		l.Lines = append(l.Lines, n)
	}
	return l
}

// mark takes the word out of a line that begins in a column, counted in characters from 1.
func (n *line) mark(column int) {
	runes := []rune(n.Text)
	from := min(max(0, column-1), len(runes))
	to := from
	for to < len(runes) && !strings.ContainsRune(" \t:,[]{}", runes[to]) {
		to++
	}
	if to == from && to < len(runes) {
		to++
	}
	n.Before, n.Marked, n.Text = string(runes[:from]), string(runes[from:to]), string(runes[to:])
}

func (c *Console) policy(w http.ResponseWriter, r *http.Request) {
	s, text := c.gateway.State(), c.gateway.Text()
	page := policyPage{Now: s.Now, State: &s, Text: text, Rules: countRules(s.Policy, s.Now), Reloaded: c.reloaded.Load()}
	page.InForce = newListing("in-force", "Text in force", text.InForce, s.Policy.Warnings())
	if text.Refused != nil {
		var here rules.Problems
		for _, p := range text.Problems {
			if p.File == text.File {
				here = append(here, p)
			} else {
				page.Elsewhere = append(page.Elsewhere, p)
			}
		}
		refused := newListing("refused", "Text that is refused", text.Refused, here)
		page.Refused = &refused
	}
	if s.Fleet != nil {
		page.Pauses = s.Fleet.Pauses
	}
	c.show(w, r, http.StatusOK, "policy", "Policy", page)
}

// reload reads everything again and shows what came of it.
func (c *Console) reload(w http.ResponseWriter, r *http.Request) {
	done := reloaded{At: c.gateway.State().Now}
	if err := c.gateway.Reload(); err != nil {
		done.Problem = err.Error()
	}
	c.reloaded.Store(&done)
	http.Redirect(w, r, "/policy", http.StatusSeeOther)
}

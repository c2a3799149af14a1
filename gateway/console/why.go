package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"gate451/rules"
)

// whyPage is what the page shows.
type whyPage struct {
	Evidence  bool
	Reference string
	Found     []record
	// Recent is the decision of that reference among the latest; nil if there is none.
	Recent *Decision
	// Problem says why nothing was found.
	Problem string

	Question Question
	Again    bool // it is the one that was found
	Steps    []Step
	// Verdict is block, allow or reject, for the color of the last steps.
	Verdict string
	Wrong   string
	Zone    string
	Methods []string
}

// record is one line of the evidence, field by field.
type record struct {
	Fields []field
	Text   string
	of     map[string]string // the same, by name
}

type field struct{ Name, Value string }

// methods are those that are offered; any other can be written.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// searchPatience is how long a search through the evidence may take until the answer is cut off.
const searchPatience = 10 * time.Minute

// why shows the forms, and what a reference leads to. The address can also carry a question, which is not asked until
// somebody presses the button.
func (c *Console) why(w http.ResponseWriter, r *http.Request) {
	page := c.newWhyPage()
	q := r.URL.Query()
	page.Question = Question{IP: q.Get("ip"), URL: q.Get("url"), Method: q.Get("method"), At: q.Get("at")}
	if page.Reference = strings.TrimSpace(q.Get("reference")); page.Reference != "" {
		c.look(w, &page)
	}
	c.show(w, r, http.StatusOK, "why", "Why", page)
}

func (c *Console) newWhyPage() whyPage {
	s := c.gateway.State()
	return whyPage{Evidence: s.Evidence != nil, Zone: s.Policy.Zone().String(), Methods: methods}
}

// look finds what a reference stands for: among the latest decisions, and in the evidence.
func (c *Console) look(w http.ResponseWriter, page *whyPage) {
	if recent, ok := c.feed.find(normal(page.Reference)); ok {
		shown := recent.show(c.gateway.Client)
		page.Recent = &shown
		page.again(map[string]string{"method": shown.Method, "host": shown.Host, "path": shown.Path, "at": shown.At})
	}
	if !page.Evidence {
		if page.Recent == nil {
			page.Problem = "The latest decisions have no such reference, and no evidence is kept in which an older one could be found: evidence.dir in gateway.yaml names where it would be."
		}
		return
	}
	if !c.searching.TryLock() {
		page.Problem = "Another search through the evidence is under way. Try again when it has ended."
		return
	}
	defer c.searching.Unlock()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(searchPatience)) // a large log takes longer to read than a page
	lines, err := c.gateway.Find(page.Reference)
	if err != nil {
		page.Problem = err.Error()
		return
	}
	for _, line := range lines {
		page.Found = append(page.Found, recordOf(line))
		page.again(page.Found[0].of)
	}
	if len(page.Found) == 0 && page.Recent == nil {
		page.Problem = "No decision in the evidence has this reference. Copied by hand, it may have a wrong letter."
	}
}

// again fills the form in with the request of a decision, as far as it is known: the address must be added.
func (p *whyPage) again(of map[string]string) {
	if p.Question == (Question{}) && of["host"] != "" {
		p.Question, p.Again = Question{URL: "https://" + of["host"] + of["path"], Method: of["method"], At: of["at"]}, true
	}
}

// normal writes a reference as the feed has it.
func normal(reference string) string {
	text := strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(reference))
	if len(text) == 8 {
		return text[:4] + "-" + text[4:]
	}
	return text
}

// mostField bounds a field of a record that is shown.
const mostField = 500

// recordOf takes a line of the evidence apart, in the order in which it is written. What a buyer chose is among it.
func recordOf(line string) record {
	rec := record{Text: strange(line, 4000), of: map[string]string{}}
	decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return rec
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil {
			return rec
		}
		var text string
		var list []string
		switch {
		case json.Unmarshal(value, &text) == nil:
		case json.Unmarshal(value, &list) == nil:
			text = strings.Join(list, ", ")
		default:
			text = string(value)
		}
		key, _ := name.(string)
		if text != "" {
			rec.Fields = append(rec.Fields, field{strange(key, mostField), strange(text, mostField)})
			rec.of[key] = strange(text, mostField)
		}
	}
	return rec
}

// try answers the question of the form.
func (c *Console) try(w http.ResponseWriter, r *http.Request) {
	page := c.newWhyPage()
	if err := r.ParseForm(); err != nil {
		c.sorry(w, http.StatusBadRequest, "Not understood", "The form cannot be read: "+err.Error()+". A body to try may have some hundred kilobytes.")
		return
	}
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	page.Question = Question{IP: field("ip"), URL: field("url"), Method: field("method"), At: field("at"), Headers: field("headers"), Body: r.PostForm.Get("body")}
	steps, err := c.gateway.Explain(page.Question)
	if err != nil {
		page.Wrong = err.Error()
		c.show(w, r, http.StatusUnprocessableEntity, "why", "Why", page)
		return
	}
	for i, step := range steps {
		steps[i] = Step{step.About, visible(step.Text)}
		if step.About == "verdict" {
			page.Verdict = verdictOf(step.Text)
		}
	}
	page.Steps = steps
	c.show(w, r, http.StatusOK, "why", "Why", page)
}

// verdictOf reads the verdict out of its step.
func verdictOf(text string) string {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ",:")
	if slices.Contains([]string{"ALLOW", "BLOCK", "REJECTED"}, word) {
		return map[string]string{"ALLOW": rules.Allow.String(), "BLOCK": rules.Block.String(), "REJECTED": "reject"}[word]
	}
	return ""
}

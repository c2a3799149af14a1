package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	maxText       = 4 << 20       // bytes of a policy
	maxHead       = 256 << 10     // bytes of what is said about it, pauses included
	maxGeneration = 1<<53 - 1<<20 // a whole number in every language, and room to go on
)

// Published is what a fleet shares at one generation: a policy, and the rules that are paused. It is never changed.
type Published struct {
	// Generation grows by one or more with every change; no replica ever goes back to a lower one.
	Generation int64
	// Text is the policy, and Digest the digest that whoever pushed it found. Both are empty if only pauses were shared.
	Text   []byte
	Digest string
	// By is who pushed the policy, and At when, by Redis' clock.
	By string
	At time.Time
	// Pauses are the rules that are paused, by id. Those that have ended may be among them.
	Pauses []Pause
	// Change is what led to this generation.
	Change Change
}

// Change is one change of what a fleet shares.
type Change struct {
	// Kind is "push", "pause" or "resume".
	Kind string `json:"kind"`
	// Rule is the rule that was paused or resumed.
	Rule string `json:"rule,omitempty"`
	// By is who did it, and At when, by Redis' clock.
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Pause is a rule out of force until an instant.
type Pause struct {
	Rule  string    `json:"rule"`
	Until time.Time `json:"until"`
	Note  string    `json:"note"`
	By    string    `json:"by"`
	At    time.Time `json:"at"` // when it was paused, by Redis' clock
}

// document is Published as it is stored. Its id is another for every change, so that whoever made one recognises it.
type document struct {
	generation int64
	id         string
	changed    int64 // milliseconds of Redis' clock, later with every change
	head       string
	text       string
	said       head
}

// head is what is said about a policy.
type head struct {
	Digest string    `json:"digest"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Pauses []Pause   `json:"pauses"`
	Change Change    `json:"change"`
}

func (d *document) published() *Published {
	p := &Published{
		Generation: d.generation, Digest: d.said.Digest, By: d.said.By, At: d.said.At, Pauses: d.said.Pauses, Change: d.said.Change,
	}
	if d.text != "" {
		p.Text = []byte(d.text)
	}
	return p
}

// sum protects what is kept from being taken for something else. The generation and the time are not in it, because
// they may have to be raised without a change of what is said.
func (d *document) sum() string {
	h := sha256.New()
	for _, part := range []string{d.id, d.head, d.text} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fields returns the names and values under which the document is stored.
func (d *document) fields() []any {
	return []any{
		"generation", strconv.FormatInt(d.generation, 10), "id", d.id, "changed", strconv.FormatInt(d.changed, 10),
		"head", d.head, "text", d.text, "sum", d.sum(),
	}
}

// parseDocument reads the values of the fields, in their order. No value at all is no document, and no error.
func parseDocument(values []string) (*document, error) {
	if len(values) != 6 {
		return nil, fmt.Errorf("%d fields; there must be 6", len(values))
	}
	if values[0] == "" && values[1] == "" && values[3] == "" && values[4] == "" {
		return nil, nil
	}
	d := &document{id: values[1], head: values[3], text: values[4]}
	var err error
	if d.generation, err = strconv.ParseInt(values[0], 10, 64); err != nil || d.generation < 1 || d.generation > maxGeneration ||
		strconv.FormatInt(d.generation, 10) != values[0] {
		return nil, fmt.Errorf("generation %.40q; it must be a whole number from 1 to %d", values[0], int64(maxGeneration))
	}
	if d.changed, err = strconv.ParseInt(values[2], 10, 64); err != nil {
		return nil, fmt.Errorf("time of change %.40q; it must be milliseconds", values[2])
	}
	if d.sum() != values[5] {
		return nil, errors.New("its sum does not match what it says; somebody else wrote to it")
	}
	if err := json.Unmarshal([]byte(d.head), &d.said); err != nil {
		return nil, fmt.Errorf("its head: %w; it must be JSON of this program", err)
	}
	return d, nil
}

// restate returns a document that says something else, to be published over others.
func restate(said head, text, id string) (*document, error) {
	b, err := json.Marshal(said)
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxHead:
		return nil, fmt.Errorf("%d bytes of pauses; at most %d can be shared, so resume some or shorten their notes", len(b), maxHead)
	case len(text) > maxText:
		return nil, fmt.Errorf("%d bytes of policy; at most %d can be shared", len(text), maxText)
	}
	return &document{id: id, head: string(b), text: text, said: said}, nil
}

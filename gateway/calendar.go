package gateway

import (
	"time"

	"gate451/config"
	"gate451/rules"
)

// LoadPolicy reads the policy that a configuration names. It looks at nothing else, so that it works where the
// databases and certificates are not.
func LoadPolicy(cfg *config.Config) (*rules.Policy, error) {
	policy, _, err := (&policySource{file: cfg.Policy}).read()
	return policy, placed(cfg, err, func(error) any { return &cfg.Policy })
}

// CalendarEntry is an instant at which what a policy does changes.
type CalendarEntry struct {
	At   time.Time        `json:"at"`
	Past bool             `json:"past"`
	Rule string           `json:"rule"`
	Mode rules.Mode       `json:"mode"`
	Kind rules.ChangeKind `json:"kind"`
	Note string           `json:"note,omitempty"` // of the exception that ends
}

// Calendar lists every change of a policy, past and coming, in order. A change at now itself is past.
func Calendar(policy *rules.Policy, now time.Time) []CalendarEntry {
	entries := []CalendarEntry{}
	for _, c := range policy.Calendar() {
		entry := CalendarEntry{At: c.At, Past: !c.At.After(now), Rule: c.Rule.ID, Mode: c.Rule.Mode, Kind: c.Kind}
		if c.Exception != nil {
			entry.Note = c.Exception.Note
		}
		entries = append(entries, entry)
	}
	return entries
}

package console

import (
	"net/netip"
	"time"

	"gate451/rules"
)

// Gateway is what the console shows, and has done. Its methods may be called by several goroutines at once.
type Gateway interface {
	// State says how the gateway is now.
	State() State
	// Text says which text the policy in force has, and what came of the last attempt to load one.
	Text() Text
	// Calendar lists every change of the policy in force, past and coming, in order.
	Calendar() []Change
	// Totals are the decisions so far. None of them ever falls.
	Totals() []Total
	// Explain tells the way to the decision about a request, in words. The error says what is wrong with the question.
	Explain(Question) ([]Step, error)
	// Find returns the lines of the evidence that have a reference, each one JSON. It may take as long as reading all of
	// the evidence does.
	Find(reference string) ([]string, error)
	// Client writes a buyer's address, as it was at an instant, in the form in which people may read it.
	Client(addr netip.Addr, at time.Time) string
	// Reload reads everything again that can change while the gateway runs. The error says what is bad, and changes nothing.
	Reload() error
}

// State is how a gateway is at one moment.
type State struct {
	// Now is the instant by the clock that judges requests.
	Now time.Time
	// Replica is the gateway's name, Version its build.
	Replica, Version string
	// Policy is the one in force.
	Policy *rules.Policy
	// PolicyTrouble says why the last attempt to load a policy failed; empty if it did not.
	PolicyTrouble string
	Databases     []Database
	// DatabaseTrouble says why databases could not be loaded again, one each.
	DatabaseTrouble []string
	// Certificate is the one from files; nil without such.
	Certificate *Certificate
	// Issued are those that an authority issues, one for each host; none without an authority.
	Issued []Issued
	// Evidence is nil if none is kept.
	Evidence *Evidence
	// Fleet is nil for a gateway that is alone.
	Fleet *Fleet
	// Private and Unusable report whether a request ever came from a private address that is no trusted proxy's, and from
	// one that could not be established.
	Private, Unusable bool
	// Stopping reports whether the gateway is about to end.
	Stopping bool
}

// Database is a loaded database.
type Database struct {
	Name  string
	Built time.Time
	Stale bool
}

// Issued is the certificate that an authority issues for a host.
type Issued struct {
	Host string
	// Expires is the zero Time if there is none yet.
	Expires time.Time
}

// Certificate is the gateway's own.
type Certificate struct {
	Expires time.Time
	// Trouble says why a newer one could not be loaded; empty if none is known.
	Trouble string
}

// Evidence is how the record of decisions is doing. The numbers count from the start.
type Evidence struct {
	Durability, Client            string
	Written, Lost, Failed, Queued int64
	Lines                         int64
	LastSync                      time.Duration
	// Trouble says why nothing can be written now; empty if it can.
	Trouble string
}

// Fleet is what a replica knows of all.
type Fleet struct {
	// Up reports whether Redis answers. While it does not, the rest is as Redis was last heard.
	Up bool
	// Generation is that of the published policy in force here; 0 if none is.
	Generation int64
	// Refused says why the newest published policy is not in force here; empty if it is.
	Refused string
	// Digests is how many different policies decide.
	Digests int
	// ClockOffset is how far this replica's clock is ahead of Redis'.
	ClockOffset time.Duration
	// Namesake reports whether another replica has this one's name.
	Namesake bool
	Replicas []Replica
	Pauses   []Pause
}

// Replica is one of a fleet.
type Replica struct {
	Name, Version, Policy string
	Generation            int64
	Refused               string
	Database              string
	ClockOffset           time.Duration
	Started               time.Time
}

// Pause is a rule that blocks nothing for a while.
type Pause struct {
	Rule, Note, By string
	Until          time.Time
}

// Text is the policy as it is written.
type Text struct {
	// Source says where the policy in force comes from, and InForce is its text.
	Source  string
	InForce []byte
	// Tried is when a policy was last loaded, or not.
	Tried time.Time
	// Refused is the text that could not be loaded then; nil if it could. File is what the problems call it.
	Refused []byte
	File    string
	// Problems are what was wrong: Trouble holds what has no place in a text.
	Problems rules.Problems
	Trouble  []string
}

// Change is an instant at which what the policy does changes.
type Change struct {
	At   time.Time
	Past bool
	Rule string
	Mode rules.Mode
	Kind rules.ChangeKind
	Note string
}

// Total is how often something was decided since the start.
type Total struct {
	Key
	N int64
}

// Key is what decisions are counted by. Rule and Country are empty where none led to the decision, and where it is
// unknown.
type Key struct {
	Kind          Kind
	Rule, Country string
}

// Kind is how a decision shows in a chart.
type Kind uint8

// The kinds.
const (
	Blocked    Kind = iota // the request was refused
	WouldBlock             // a shadow rule would have refused it
	Allowed                // it was governed, and passed
	Ungoverned             // no rule is about it
	kinds
)

// String returns what the kind is called in charts and tables.
func (k Kind) String() string {
	return [kinds]string{"Blocked", "Would block", "Allowed", "Not governed"}[k]
}

// Class is the kind's name in the style sheet.
func (k Kind) Class() string { return [kinds]string{"block", "shadow", "allow", "other"}[k] }

// Mark is a sign for the kind that can be told from the others without its color.
func (k Kind) Mark() string { return [kinds]string{"■", "◩", "●", "○"}[k] }

// Question describes a request, to be judged as if it had come. All of it is text as somebody typed it.
type Question struct {
	IP, URL, Method, At string
	// Headers are lines, each Name: value.
	Headers string
	Body    string
}

// Step is one step of the way to a decision.
type Step struct{ About, Text string }

package console

import (
	"fmt"
	"time"
)

// Worry is something that an operator should know.
type Worry struct {
	// Serious tells what refuses or lets through the wrong buyers, or is about to, from what is merely worth a look.
	Serious bool
	Text    string
	// More is what was said about it, and Page where there is more to see; both may be empty.
	More, Page string
}

const (
	// certificateSoon is how long before its end a certificate should have been renewed.
	certificateSoon = 14 * 24 * time.Hour
	// issuedSoon is the same for one that an authority issues, of which some live for a week only; the alert has it, too.
	issuedSoon = 3 * 24 * time.Hour
	// clockOffset is how far off a replica's clock may be: it begins and ends rules by it.
	clockOffset = 5 * time.Second
)

// worries returns everything that is wrong, what is serious first.
func worries(s *State) []Worry {
	var serious, others []Worry
	add := func(is, grave bool, more, page, format string, args ...any) {
		switch w := (Worry{grave, fmt.Sprintf(format, args...), more, page}); {
		case !is:
		case grave:
			serious = append(serious, w)
		default:
			others = append(others, w)
		}
	}
	add(s.Stopping, true, "", "", "The gateway is stopping: /readyz fails.")
	add(s.PolicyTrouble != "", true, s.PolicyTrouble, "/policy", "The last version of the policy could not be loaded; the one before it stays in force.")
	s.evidenceWorries(add)
	for _, db := range s.Databases {
		add(db.Stale, true, "", "", "The database %s is older than geoip.max_age: it was built %s ago, on %s.", db.Name, span(s.Now.Sub(db.Built)), db.Built.Format(time.DateOnly))
	}
	for _, trouble := range s.DatabaseTrouble {
		add(true, true, trouble, "", "A database could not be loaded again; the one before it stays in use.")
	}
	s.certificateWorries(add)
	s.fleetWorries(add)
	add(s.Private, false, "", "", "A request came from a private address. If that is a balancer or proxy, name it under client_ip.trusted_proxies, or every buyer is judged by its address.")
	add(s.Unusable, false, "", "", "The address of a request could not be established; the policy's client_address decides about such requests.")
	return append(serious, others...)
}

// adder takes a worry, if there is one.
type adder func(is, grave bool, more, page, format string, args ...any)

func (s *State) evidenceWorries(add adder) {
	if e := s.Evidence; e != nil {
		add(e.Trouble != "" && e.Durability != "best_effort", true, e.Trouble, "", "The evidence cannot be written: governed requests are answered 503.")
		add(e.Trouble != "" && e.Durability == "best_effort", true, e.Trouble, "", "The evidence cannot be written: decisions will be lost.")
		add(e.Lost > 0, true, "", "", "%s decisions were answered without a record.", number(e.Lost))
		add(e.Failed > 0, false, "", "", "%s requests were answered 503 since the start, because their record could not be written.", number(e.Failed))
	}
}

func (s *State) certificateWorries(add adder) {
	if c := s.Certificate; c != nil {
		left := c.Expires.Sub(s.Now)
		add(left <= 0, true, "", "", "The gateway's certificate has expired, on %s.", moment(c.Expires))
		add(left > 0 && left < certificateSoon, false, "", "", "The gateway's certificate expires in %s.", span(left))
		add(c.Trouble != "", true, c.Trouble, "", "A newer certificate could not be loaded.")
	}
	for _, c := range s.Issued {
		left := c.Expires.Sub(s.Now)
		add(c.Expires.IsZero(), true, "", "", "No certificate has been issued for %s yet: no buyer reaches it. The log says what the authority answers.", c.Host)
		add(!c.Expires.IsZero() && left <= 0, true, "", "", "The certificate of %s has expired, on %s, and no new one was issued. The log says what the authority answers.", c.Host, moment(c.Expires))
		add(left > 0 && left < issuedSoon, true, "", "", "The certificate of %s expires in %s, and no new one was issued. The log says what the authority answers.", c.Host, span(left))
	}
}

func (s *State) fleetWorries(add adder) {
	f := s.Fleet
	if f == nil {
		return
	}
	add(!f.Up, true, "", "", "Redis does not answer. The gateway decides by the policy that it has, and does not hear of a newer one.")
	add(f.Refused != "", true, f.Refused, "/policy", "The fleet's newest policy is not in force here.")
	add(f.Digests > 1, true, "", "", "The replicas decide by %d different policies.", f.Digests)
	add(f.Namesake, true, "", "", "Another replica has the name of this one; give each its own, or else their evidence cannot be told apart.")
	add(f.ClockOffset > clockOffset || f.ClockOffset < -clockOffset, true, "", "", "The clock of this replica is %s off that of Redis; rules begin and end by it.", span(f.ClockOffset))
	for _, p := range f.Pauses {
		more := "By " + p.By
		if p.Note != "" {
			more += ": " + p.Note
		}
		add(s.Now.Before(p.Until), false, more, "/calendar", "The rule %s is paused until %s and blocks nobody.", p.Rule, moment(p.Until.In(s.Now.Location())))
	}
}

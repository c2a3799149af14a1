package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gate451/gateway/catalogue"
	"gate451/gateway/evidence"
	"gate451/gateway/fleet"
	"gate451/rules"
)

// policySource holds the policy in force, with its catalogues. It comes from the file, or from the fleet once that has
// published one, and is replaced by a new version if that is good. The pauses of the fleet apply to either.
type policySource struct {
	file       string
	text       []byte // in place of the file
	log        *slog.Logger
	current    atomic.Pointer[rules.Policy]
	catalogues atomic.Pointer[[]catalogue.Info] // of the policy in force
	written    atomic.Pointer[written]          // what the policy in force was read from
	tried      atomic.Pointer[attempt]          // the last one to load a policy

	loading   sync.Mutex
	trouble   complaint // guarded by loading, like what follows
	own       stocked
	published stocked // without a policy if the fleet has none
	said      fleet.Published
	loaded    func(p *rules.Policy, err error, at time.Time)
	now       func() time.Time
	note      func(evidence.Event)
	divides   func(rules.Country) bool // whether the databases tell parts of a country; nil if any policy will do
	renamed   func()                   // told when other catalogues may be in force; nil if nobody is
}

// written is a policy's text, and where it comes from.
type written struct {
	source string
	text   []byte
}

// attempt is one to load a policy, with the text that was read.
type attempt struct {
	at   time.Time
	err  error
	file string // as problems name it
	text []byte
}

// load reads the policy's file again, and the catalogues. A bad one changes nothing: the error holds all that is wrong with
// them.
func (s *policySource) load() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	own, published, text, err := s.readAll()
	if err != nil {
		if published.policy != nil { // the fleet's policy is not bad because this replica's own is
			s.published = published
			s.settle(false)
		}
		s.attempted(attempt{err: err, file: s.file, text: text})
		if old := s.current.Load(); old != nil && s.trouble.isNew(err) {
			s.log.Error("policy not reloaded, the one in force stays", slog.String("in_force", old.Digest()), slog.Any("error", err))
		}
		return err
	}
	changed := s.own.policy == nil || s.own.policy.Digest() != own.policy.Digest()
	s.own, s.published = own, published
	if published.policy != nil && changed {
		s.log.Warn("the policy's file is not what decides, because the fleet has published a policy; gate451 policy push publishes the file",
			slog.String("file", own.policy.Digest()), slog.String("in_force", published.policy.Digest()))
	}
	s.settle(s.trouble.end())
	s.attempted(attempt{file: s.file, text: text}) // only now: whoever sees the metrics change counts on the policy
	return nil
}

// attempted tells what came of an attempt.
func (s *policySource) attempted(a attempt) {
	a.at = s.now()
	s.tried.Store(&a)
	s.loaded(s.current.Load(), a.err, a.at)
}

// readAll reads the policy's file, and the catalogues of what it holds and of what the fleet has published. What is bad of the
// latter stays as it was.
func (s *policySource) readAll() (own, published stocked, text []byte, err error) {
	p, text, err := s.read()
	if err == nil {
		own, err = s.stock(p)
		own.text = text
	}
	if s.published.policy == nil {
		return own, published, text, err
	}
	published, bad := s.stock(s.published.base)
	published.text = s.published.text
	if bad != nil {
		published = s.published
		if err == nil || err.Error() != bad.Error() { // both may name the same file
			err = errors.Join(err, bad)
		}
	}
	return own, published, text, err
}

// take puts what the fleet has published into force. A bad policy changes nothing, but pauses count all the same.
func (s *policySource) take(said fleet.Published) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	p, err := s.parse(said)
	before := s.said
	if err == nil {
		s.published, s.said = p, said
	} else {
		s.said.Pauses, s.said.Change = said.Pauses, said.Change
	}
	s.settle(false)
	s.attempted(attempt{err: err, file: publishedName, text: said.Text})
	s.notePauses(before.Pauses)
	return err
}

// publishedName is what problems call a policy that was published.
const publishedName = "policy"

// parse returns the policy that was published: the one in force if it is the same, and none if only pauses were. Its
// catalogues are this replica's own files.
func (s *policySource) parse(said fleet.Published) (stocked, error) {
	if len(said.Text) == 0 || s.published.policy != nil && said.Digest == s.published.policy.Digest() {
		return s.published, nil
	}
	p, err := rules.Parse(publishedName, said.Text)
	if err == nil && p.Digest() != said.Digest {
		err = fmt.Errorf("the policy's digest is %s here, and %s where it was published; all replicas should run the same version", p.Digest(), said.Digest)
	}
	if err != nil {
		return stocked{}, err
	}
	stock, err := s.stock(p)
	stock.text = said.Text
	return stock, err
}

// settle works out which policy is in force, and tells of it if it is another one, or is so again.
func (s *policySource) settle(again bool) {
	from := s.own
	if s.published.policy != nil {
		from = s.published
	}
	p := from.policy
	if pauses := pausesOf(s.said.Pauses); len(pauses) > 0 {
		var err error
		if p, err = p.Paused(pauses); err != nil {
			s.log.Warn("not every pause can be applied", slog.Any("error", err))
		}
	}
	old := s.current.Swap(p)
	s.written.Store(&written{s.source(), from.text})
	s.tellCatalogues(from.files)
	switch {
	case old == nil:
	case old.Digest() != p.Digest():
		s.note(evidence.PolicyChanged{Digest: p.Digest(), Source: s.source()})
	case !again:
		return
	}
	s.log.Info("policy in force", slog.String("digest", p.Digest()), slog.Int("rules", len(p.Rules())), slog.String("from", s.source()))
	for _, w := range p.Warnings() {
		s.log.Warn("policy warning", slog.String("warning", w.Error()))
	}
}

// source says where the policy in force comes from.
func (s *policySource) source() string {
	switch {
	case s.published.policy != nil:
		return fmt.Sprintf("fleet generation %d, by %s", s.said.Generation, s.said.By)
	case s.text != nil:
		return "built in"
	}
	return s.file
}

// pausesOf writes pauses as the rules have them: from when they were ordered, by Redis' clock.
func pausesOf(said []fleet.Pause) []rules.Pause {
	var pauses []rules.Pause
	for _, p := range said {
		pauses = append(pauses, rules.Pause{Rule: p.Rule, Effective: rules.Interval{From: p.At, Until: p.Until}, Note: p.Note})
	}
	return pauses
}

// notePauses writes into the evidence what is paused now, and what no longer is although its time has not come.
func (s *policySource) notePauses(before []fleet.Pause) {
	for _, p := range s.said.Pauses {
		if !slices.Contains(before, p) {
			s.note(evidence.RulePaused{Rule: p.Rule, Until: p.Until, Note: p.Note, By: p.By})
		}
	}
	for _, p := range before {
		if slices.ContainsFunc(s.said.Pauses, func(q fleet.Pause) bool { return q.Rule == p.Rule }) || !s.now().Before(p.Until) {
			continue
		}
		resumed := evidence.RuleResumed{Rule: p.Rule}
		if c := s.said.Change; c.Kind == "resume" && c.Rule == p.Rule { // or else this replica has missed who did it
			resumed.By = c.By
		}
		s.note(resumed)
	}
}

func (s *policySource) read() (p *rules.Policy, text []byte, err error) {
	if text = s.text; text == nil {
		if text, err = os.ReadFile(s.file); err != nil {
			return nil, nil, fmt.Errorf("%w; name a readable policy file under policy", err)
		}
	}
	p, err = rules.Parse(s.file, text)
	return p, text, err
}

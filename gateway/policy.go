package gateway

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gate451/rules"
)

// policySource holds the policy in force and replaces it by a new version of its file, if that is good.
type policySource struct {
	file    string
	text    []byte // in place of the file
	log     *slog.Logger
	current atomic.Pointer[rules.Policy]

	loading sync.Mutex
	trouble complaint // guarded by loading
	loaded  func(p *rules.Policy, err error, at time.Time)
	now     func() time.Time
}

// load reads the policy again. A bad one changes nothing: the error holds all that is wrong with it.
func (s *policySource) load() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	p, err := s.read()
	old := s.current.Load()
	if err == nil {
		s.current.Store(p)
	}
	s.loaded(p, err, s.now()) // only now: whoever sees the metrics change counts on the policy
	if err != nil {
		if old != nil && s.trouble.isNew(err) {
			s.log.Error("policy not reloaded, the one in force stays", slog.String("in_force", old.Digest()), slog.Any("error", err))
		}
		return err
	}
	if mended := s.trouble.end(); old != nil && old.Digest() == p.Digest() && !mended {
		return nil
	}
	s.log.Info("policy in force", slog.String("digest", p.Digest()), slog.Int("rules", len(p.Rules())))
	for _, w := range p.Warnings() {
		s.log.Warn("policy warning", slog.String("warning", w.Error()))
	}
	return nil
}

func (s *policySource) read() (*rules.Policy, error) {
	text, file := s.text, s.file
	if text == nil {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("%w; name a readable policy file under policy", err)
		}
	}
	return rules.Parse(file, text)
}

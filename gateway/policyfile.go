package gateway

import (
	"fmt"
	"os"

	"gate451/config"
)

// NewPolicyEnforcer makes what decides by a policy's file, to ask it questions. The file takes the place of the one that cfg
// names, in cfg too, where problems with it are looked up; a nil cfg is one that says nothing more.
func NewPolicyEnforcer(cfg *config.Config, policy string, opts Options) (*Enforcer, error) {
	if cfg == nil {
		var err error
		opts.anyPolicy = true // nothing says which databases will be asked
		if cfg, err = config.Parse("default", []byte("routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:1\"]}]\npolicy: policy.yaml\n"), nil); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(policy); err != nil {
		return nil, fmt.Errorf("%w; name a readable policy file", err)
	}
	cfg.Policy = policy
	return NewEnforcer(cfg, opts)
}

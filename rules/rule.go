package rules

import (
	"net/netip"
	"time"

	"github.com/gaissmai/bart"
)

// Mode says what a rule's block does.
type Mode string

// The modes.
const (
	// Enforce blocks.
	Enforce Mode = "enforce"
	// Shadow decides and is reported beside the decision, and never blocks.
	Shadow Mode = "shadow"
)

// Setting is the verdict that a rule states for an origin or request that is odd in one way.
type Setting string

// The settings. JudgeCountry and JudgeAnyway go on as if nothing were odd.
const (
	SettingBlock Setting = "block"
	SettingAllow Setting = "allow"
	JudgeCountry Setting = "country" // of anonymized: the country that the database tells decides
	JudgeAnyway  Setting = "decide"  // of stale_database: the old database decides
)

// verdict returns the verdict that a setting states; ok is false if it states none.
func (s Setting) verdict() (v Verdict, ok bool) {
	switch s {
	case SettingBlock:
		return Block, true
	case SettingAllow:
		return Allow, true
	}
	return Block, false
}

// Settings are a rule's verdicts for whatever is no plain answer. None falls through to allow by itself:
// the defaults block wherever the country or the product is not known.
type Settings struct {
	UnknownCountry      Setting `json:"unknown_country"`
	PrivateNetworks     Setting `json:"private_networks"`
	UndeterminedProduct Setting `json:"undetermined_product"`
	Anonymized          Setting `json:"anonymized"`
	StaleDatabase       Setting `json:"stale_database"`
	ClientAddress       Setting `json:"client_address"`
}

// defaultSettings hold where neither a rule nor the policy's defaults say otherwise.
var defaultSettings = Settings{
	UnknownCountry: SettingBlock, PrivateNetworks: SettingBlock, UndeterminedProduct: SettingBlock,
	Anonymized: JudgeCountry, StaleDatabase: JudgeAnyway, ClientAddress: SettingBlock,
}

// setting is one of the settings under its name in the language, with the values that it takes.
type setting struct {
	key    string
	values []Setting
	of     func(*Settings) *Setting
}

var settings = []setting{
	{"unknown_country", []Setting{SettingBlock, SettingAllow}, func(s *Settings) *Setting { return &s.UnknownCountry }},
	{"private_networks", []Setting{SettingBlock, SettingAllow}, func(s *Settings) *Setting { return &s.PrivateNetworks }},
	{"undetermined_product", []Setting{SettingBlock, SettingAllow}, func(s *Settings) *Setting { return &s.UndeterminedProduct }},
	{"anonymized", []Setting{SettingBlock, JudgeCountry, SettingAllow}, func(s *Settings) *Setting { return &s.Anonymized }},
	{"stale_database", []Setting{SettingBlock, JudgeAnyway, SettingAllow}, func(s *Settings) *Setting { return &s.StaleDatabase }},
	{"client_address", []Setting{SettingBlock, SettingAllow}, func(s *Settings) *Setting { return &s.ClientAddress }},
}

// forTrait returns the setting that judges a trait, and the reason that it gives.
func (s *Settings) forTrait(t Traits) (Setting, Reason) {
	switch t {
	case UnusableClient:
		return s.ClientAddress, ReasonClientAddress
	case PrivateNetwork:
		return s.PrivateNetworks, ReasonPrivateNetwork
	case StaleDatabase:
		return s.StaleDatabase, ReasonStaleDatabase
	}
	return s.Anonymized, ReasonAnonymized
}

// Basis is the law or order that a rule follows.
type Basis struct {
	Title string `json:"title,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Rule blocks an activity with some products for some countries in an interval, with exceptions. A Rule
// of a Policy must not be changed.
type Rule struct {
	// ID is unique in the policy; that of a pack's rule begins with the pack's name and a slash.
	ID       string
	Activity string
	// Products the rule concerns; none means everything.
	Products []string
	// Countries are ISO 3166-1 and ISO 3166-2 codes, sorted, jurisdictions resolved.
	Countries []string
	Effective Interval
	// NoticeFrom is the instant from which requests that the rule will block are told so, ahead of Effective.From; zero means never.
	NoticeFrom time.Time
	Mode       Mode
	// Rollout is the share of clients that the rule blocks; zero means all.
	Rollout  Share
	Settings Settings
	// Refusal names the sentence that a refused buyer reads: purchase, update or access.
	Refusal    string
	Exceptions []Exception
	Basis      Basis
	// Alternatives are what a refused buyer can have instead. They stand in the place of those that the gateway names for all.
	Alternatives []Alternative
	// Pause is the operator's order that the rule blocks nothing for a while; nil if there is none. See Policy.Paused.
	Pause *Pause

	judged Traits   // the traits for which the rule's settings state a verdict
	salt   rollSalt // with which clients are drawn
}

// Exception lifts a rule where all that it names holds.
type Exception struct {
	// Networks are the client addresses it is for; none means all.
	Networks []netip.Prefix
	// Products it is for; none means all that the rule concerns. Where SKUs are carried, each must be one of theirs: what is
	// exempt exempts nothing that lies beside it in the cart.
	Products []string
	// Paths it is for, and all below them; none means any. What is asked for must be within them in every reading, and nothing
	// beside the path may tell a product, unless the exception names Products.
	Paths []string
	// Tokens it is for: clients must show one of them. None means that no token is needed.
	Tokens []Token
	// Until is the instant at which the exception ends; zero means never.
	Until time.Time
	// Note says why, for people.
	Note string

	networks *bart.Lite
	products []int32
	paths    matcher
}

// conditional reports whether more than the table cell decides that the rule applies.
func (r *Rule) conditional() bool {
	return r.Pause != nil || len(r.Exceptions) > 0 || r.judged&(StaleDatabase|Anonymized) != 0
}

// exempts returns the exception that lifts the rule for a client who asks for the goods; nil if there is none.
func (r *Rule) exempts(from *Origin, g *goods, at time.Time) *Exception {
	for i := range r.Exceptions {
		if x := &r.Exceptions[i]; x.holds(from, g, at) {
			return x
		}
	}
	return nil
}

func (x *Exception) holds(from *Origin, g *goods, at time.Time) bool {
	switch {
	case !x.Until.IsZero() && !at.Before(x.Until):
	case x.networks != nil && !x.networks.Contains(from.Client):
	case len(x.Tokens) > 0 && !from.Token.among(x.Tokens):
	case len(x.Paths) > 0 && !x.covers(g.path):
	case len(x.Paths) > 0 && len(x.products) == 0 && g.brought:
		// A client chooses the path, and many a shop sells whatever that is: a product in the query or the body is not exempt.
	default:
		return len(x.products) == 0 || g.within(x.products)
	}
	return false
}

// covers reports whether a reading of the path is one of the exception's paths, or below one.
func (x *Exception) covers(path string) bool {
	var hits [1]int32
	return len(x.paths.match("", path, hits[:0])) > 0
}

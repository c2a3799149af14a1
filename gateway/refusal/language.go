package refusal

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	xlanguage "golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"gate451/rules"
)

// The languages that come with the program, one file each, named by its BCP 47 tag.
//
//go:embed words/*.yaml
var wordFiles embed.FS

// language is one in which refusals are told.
type language struct {
	code    string
	tag     xlanguage.Tag
	w       words
	regions display.Namer
	header  []string // value of Content-Language
}

// english names the language whose country names serve where the Unicode CLDR has none of a language's own.
const english = "en"

// builtIn returns the words that come with the program, by language. They are read once.
var builtIn = sync.OnceValues(func() (map[string]words, error) {
	entries, err := wordFiles.ReadDir("words")
	if err != nil {
		return nil, err
	}
	all := make(map[string]words, len(entries))
	for _, entry := range entries {
		text, err := wordFiles.ReadFile("words/" + entry.Name())
		if err != nil {
			return nil, err
		}
		var w words
		if problems := w.read(entry.Name(), text); len(problems) > 0 {
			return nil, problems
		}
		if missing := w.missing(); len(missing) > 0 {
			return nil, fmt.Errorf("%s: %s is missing", entry.Name(), missing[0])
		}
		all[strings.TrimSuffix(entry.Name(), ".yaml")] = w
	}
	return all, nil
})

// Languages returns the BCP 47 tags of the languages that come with the program, sorted.
func Languages() []string {
	all, _ := builtIn() // a test reads them all
	return slices.Sorted(maps.Keys(all))
}

// newLanguage returns a language with its words.
func newLanguage(code string, w words) (*language, error) {
	tag, err := xlanguage.Parse(code)
	if err != nil {
		return nil, fmt.Errorf("%q is not a language; write its BCP 47 tag, such as de or pt-BR", code)
	}
	l := &language{code: tag.String(), tag: tag, w: w, header: []string{tag.String()}}
	if l.regions = display.Regions(tag); l.regions == nil {
		l.regions = display.Regions(xlanguage.English)
	}
	return l, nil
}

// direction returns the value of HTML's dir.
func (l *language) direction() string {
	switch script, _ := l.tag.Script(); script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg":
		return "rtl"
	}
	return "ltr"
}

// space returns what stands between two sentences.
func (l *language) space() string {
	if strings.HasSuffix(l.w.Meaning, "。") {
		return ""
	}
	return " "
}

// countryName returns a country's name; it is empty for none.
func (l *language) countryName(c rules.Country) string {
	if c == 0 {
		return ""
	}
	return cmp.Or(l.regions.Name(xlanguage.MustParseRegion(c.String())), c.String())
}

// sentence says what cannot be done. Where it is not known that the law forbids it, it claims no more than that.
func (l *language) sentence(f *Refusal) string {
	if f.Reason != listedCountry {
		return l.w.Undetermined
	}
	text := l.w.Access
	switch f.Kind {
	case Purchase:
		text = l.w.Purchase
	case Update:
		text = l.w.Update
	}
	return strings.Replace(text, "{products}", l.list(f.Products), 1)
}

// list joins names as a sentence does.
func (l *language) list(names []string) string {
	if len(names) == 0 {
		return l.w.These
	}
	text := l.goods(names[0])
	for i, name := range names[1:] {
		if i == len(names)-2 {
			text += l.w.And + l.goods(name)
		} else {
			text += l.w.Comma + l.goods(name)
		}
	}
	return text
}

// goods says in the language what the policy says in English of every product that it gives no other title.
func (l *language) goods(name string) string {
	if maker, ok := strings.CutSuffix(name, " products"); ok && maker != "" {
		return strings.Replace(l.w.Goods, "{name}", maker, 1)
	}
	return name
}

// explanation says why a refusal does not know enough. It is empty if it does.
func (l *language) explanation(reason string) string {
	switch reason {
	case listedCountry:
		return ""
	case "unknown_country":
		return l.w.UnknownCountry
	case "private_network":
		return l.w.PrivateNetwork
	case "client_address":
		return l.w.ClientAddress
	case "stale_database":
		return l.w.StaleDatabase
	case "anonymized":
		return l.w.Anonymized
	case undeterminedProduct:
		return l.w.UndeterminedProduct
	}
	return l.w.Unexplained
}

// languages are those in which refusals can be told, and what was chosen before.
type languages struct {
	all     []*language // the default first
	matcher xlanguage.Matcher

	mu     sync.RWMutex
	chosen map[string]*language
}

// newLanguages joins the words that come with the program with those of the operator.
func newLanguages(cfg *Config) (*languages, error) {
	known, err := builtIn()
	if err != nil {
		return nil, err
	}
	known = maps.Clone(known)
	var errs []error
	for _, m := range cfg.Messages {
		errs = append(errs, m.into(known))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &languages{chosen: map[string]*language{}}
	preferred, err := xlanguage.Parse(cmp.Or(cfg.Language, english))
	for _, code := range slices.Sorted(maps.Keys(known)) {
		l, err := newLanguage(code, known[code])
		if err != nil {
			return nil, err // a language of the operator's was parsed before
		}
		s.all = append(s.all, l)
	}
	first := slices.IndexFunc(s.all, func(l *language) bool { return l.tag == preferred })
	if err != nil || first < 0 {
		return nil, &Fault{"language", fmt.Sprintf("there are no messages in language %q; write one of %s, or add its messages",
			cfg.Language, strings.Join(slices.Sorted(maps.Keys(known)), ", "))}
	}
	l := s.all[first]
	s.all = slices.Insert(slices.Delete(s.all, first, first+1), 0, l)
	tags := make([]xlanguage.Tag, len(s.all))
	for i, l := range s.all {
		tags[i] = l.tag
	}
	s.matcher = xlanguage.NewMatcher(tags)
	return s, nil
}

const (
	// maxAcceptLanguage is how much of Accept-Language is looked at, in bytes. Browsers send a tenth of it.
	maxAcceptLanguage = 1 << 10
	// mostChosen is how many Accept-Language headers are remembered. Clients can make up any number.
	mostChosen = 1024
)

// choose returns the language that suits the client by its Accept-Language header (RFC 9110, section 12.5.4), and the
// default if none does.
func (s *languages) choose(fields []string) *language {
	if len(fields) == 0 {
		return s.all[0]
	}
	header := fields[0]
	if len(fields) > 1 {
		header = strings.Join(fields[:min(len(fields), 16)], ",")
	}
	if len(header) > maxAcceptLanguage {
		header = header[:max(0, strings.LastIndexByte(header[:maxAcceptLanguage], ','))]
	}
	s.mu.RLock()
	l := s.chosen[header]
	s.mu.RUnlock()
	if l == nil {
		l = s.match(header)
		s.mu.Lock()
		if len(s.chosen) >= mostChosen {
			clear(s.chosen)
		}
		s.chosen[strings.Clone(header)] = l
		s.mu.Unlock()
	}
	return l
}

// match finds the language for a header. What is no language is passed over, and so is one with weight 0.
func (s *languages) match(header string) *language {
	wanted, weights, err := xlanguage.ParseAcceptLanguage(header)
	if err != nil {
		wanted, weights = readable(header)
	}
	for i, weight := range weights {
		if weight <= 0 {
			wanted = wanted[:i] // they are in the order of their weights
			break
		}
	}
	if len(wanted) == 0 {
		return s.all[0]
	}
	_, i, confidence := s.matcher.Match(wanted...)
	if confidence == xlanguage.No {
		return s.all[0]
	}
	return s.all[i]
}

// readable returns those languages of a header that can be read, where another cannot.
func readable(header string) (wanted []xlanguage.Tag, weights []float32) {
	for one := range strings.SplitSeq(header, ",") {
		if tags, qs, err := xlanguage.ParseAcceptLanguage(one); err == nil {
			wanted, weights = append(wanted, tags...), append(weights, qs...)
		}
	}
	return wanted, weights
}

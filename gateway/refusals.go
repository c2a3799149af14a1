package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gate451/config"
	"gate451/gateway/refusal"
	"gate451/rules"
)

// newRefusals reads the files that refusals are made from. Its error has all that is wrong with them, each at its place
// in gateway.yaml or in the file itself.
func newRefusals(cfg *config.Config) (*refusal.Writer, error) {
	r := &cfg.Refusal
	c := refusal.Config{
		Name: r.Name, Contact: r.Contact, Language: r.Language, Light: refusal.Palette(r.Colors), Dark: refusal.Palette(r.DarkColors),
	}
	if r.BlockedBy != nil {
		c.BlockedBy = r.BlockedBy.String()
	}
	for _, a := range r.Alternatives {
		c.Alternatives = append(c.Alternatives, rules.Alternative{Title: a.Title, URL: a.URL.String()})
	}
	var errs []error
	file := func(field any, key, name string, most int64) []byte {
		content, err := config.ReadFile(name, most)
		if err == nil && len(content) == 0 {
			err = errors.New("it is empty")
		}
		if err != nil {
			errs = append(errs, cfg.Problem(field, fmt.Sprintf("%s %q cannot be read: %v; name an existing file, or leave it out", key, name, err)))
		}
		return content
	}
	if r.Logo != "" {
		c.Logo = file(&r.Logo, "logo", r.Logo, refusal.MostLogo)
	}
	if r.LogoDark != "" {
		c.LogoDark = file(&r.LogoDark, "logo_dark", r.LogoDark, refusal.MostLogo)
	}
	for _, language := range slices.Sorted(maps.Keys(r.Messages)) {
		name := r.Messages[language]
		c.Messages = append(c.Messages, refusal.Messages{Language: language, File: name, Text: file(language, "messages", name, refusal.MostWords)})
	}
	if r.Template != "" {
		c.Template = &refusal.Template{File: r.Template, Text: string(file(&r.Template, "template", r.Template, refusal.MostTemplate))}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	w, err := refusal.New(c)
	return w, placedRefusal(cfg, err)
}

// placedRefusal is placed for what is wrong in gateway.yaml and in the files that it names at once.
func placedRefusal(cfg *config.Config, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, placedRefusal(cfg, one))
		}
		return errors.Join(all...)
	}
	return placed(cfg, err, func(err error) any { return refusalField(cfg, err) })
}

// refusalField returns the field of gateway.yaml that an error is about.
func refusalField(cfg *config.Config, err error) any {
	r := &cfg.Refusal
	fault, ok := errors.AsType[*refusal.Fault](err)
	if !ok {
		return r
	}
	for key, field := range map[string]any{
		"blocked_by": &r.BlockedBy, "logo": &r.Logo, "logo_dark": &r.LogoDark, "alternatives": &r.Alternatives, "language": &r.Language,
		"messages": &r.Messages, "colors.background": &r.Colors.Background, "colors.text": &r.Colors.Text, "colors.accent": &r.Colors.Accent,
		"dark_colors.background": &r.DarkColors.Background, "dark_colors.text": &r.DarkColors.Text, "dark_colors.accent": &r.DarkColors.Accent,
	} {
		if key == fault.Key {
			return field
		}
	}
	return r
}

// SampleRefusal returns what a refused buyer would be told: as html, json or text, in a language, of a kind and for a
// reason. It fails if the configuration's refusal is wrong, or if there is no such form, language, kind or reason.
func SampleRefusal(cfg *config.Config, form, language, kind, reason string) ([]byte, error) {
	w, err := newRefusals(cfg)
	if err != nil {
		return nil, err
	}
	return w.Sample(form, language, kind, reason)
}

// RefusalMessages returns the messages in a language that come with the program, as a file to start from.
func RefusalMessages(language string) ([]byte, error) { return refusal.BuiltInMessages(language) }

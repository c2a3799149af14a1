package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// TestSchemaKnowsTheKeysOfTheLanguage compares the schema's keys and words with those that Parse knows.
func TestSchemaKnowsTheKeysOfTheLanguage(t *testing.T) {
	t.Parallel()
	type object struct {
		Required   []string
		Enum       []string
		Properties map[string]*object
		Items      *object
		OneOf      []object
		Defs       map[string]*object `json:"$defs"`
	}
	var s object
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	rule := s.Properties["rules"].Items
	same := func(what string, got, want []string) {
		t.Helper()
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the language %v", what, got, want)
		}
	}
	keys := func(o *object) []string { return slices.Collect(maps.Keys(o.Properties)) }
	same("policy", keys(&s), policyKeys)
	same("rule", keys(rule), ruleKeys)
	same("exception", keys(rule.Properties["except"].Items), exceptionKeys)
	same("activity", keys(s.Defs["activity"].Items), activityKeys)
	same("product", keys(s.Defs["selectors"].Items), productKeys)
	field := s.Defs["field"]
	same("field", keys(field), fieldKeys)
	var places []string
	for _, one := range field.OneOf {
		places = append(places, one.Required...)
	}
	same("places of fields", places, fieldPlaces)
	same("cart", keys(s.Defs["cart"]), cartKeys)
	same("condition", keys(s.Defs["condition"]), append(slices.Clone(conditionPlaces), "is"))
	same("dialect", s.Defs["activity"].Items.Properties["dialect"].Enum, dialects)
	same("preset", s.Defs["activity"].Items.Properties["preset"].Enum, Presets())
	same("defaults", keys(s.Properties["defaults"]), settingKeys())
	same("refusal", rule.Properties["refusal"].Enum, refusals)
	same("mode", rule.Properties["mode"].Enum, []string{string(Enforce), string(Shadow)})
	for _, setting := range settings {
		var values []string
		for _, v := range setting.values {
			values = append(values, string(v))
		}
		for _, where := range []*object{rule, s.Properties["defaults"]} {
			enum := where.Properties[setting.key].Enum
			if enum == nil {
				enum = s.Defs["verdict"].Enum
			}
			same(setting.key, enum, values)
		}
	}
}

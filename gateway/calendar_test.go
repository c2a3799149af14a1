package gateway

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gate451/config"
	"gate451/rules"
)

func TestCalendarTellsPastFromComing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, err := config.Parse(filepath.Join(dir, "gateway.yaml"), []byte("routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:1\"]}]\npolicy: policy.yaml\n"+
		"geoip: {databases: [absent.mmdb]}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPolicy(cfg); err == nil || err.Error() != filepath.Join(dir, "gateway.yaml")+":2:9: open "+cfg.Policy+": no such file or directory; name a readable policy file under policy" {
		t.Errorf("error %v", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(cfg.Policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nrules: [{}]\n")
	if _, err := LoadPolicy(cfg); err == nil || err.Error()[:len(cfg.Policy)+3] != cfg.Policy+":2:" {
		t.Errorf("error %v", err)
	}
	write(`version: 1
time_zone: UTC
activities: {sale: [{paths: [/cart]}]}
rules:
  - {id: a, activity: sale, countries: [CU], notice_from: 2023-12-01, from: 2024-01-01, until: 2025-01-01}
  - {id: b, activity: sale, countries: [CU], mode: shadow, except: [{paths: [/cart/x], until: 2024-06-01, note: licence}]}
`)
	policy, err := LoadPolicy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	first, middle, last := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if diff := cmp.Diff([]CalendarEntry{
		{At: time.Date(2023, 12, 1, 0, 0, 0, 0, time.UTC), Past: true, Rule: "a", Mode: rules.Enforce, Kind: rules.ChangeNoticeBegins},
		{At: first, Past: true, Rule: "a", Mode: rules.Enforce, Kind: rules.ChangeBegins},
		{At: middle, Past: true, Rule: "b", Mode: rules.Shadow, Kind: rules.ChangeExceptionEnds, Note: "licence"},
		{At: last, Rule: "a", Mode: rules.Enforce, Kind: rules.ChangeEnds},
	}, Calendar(policy, middle)); diff != "" {
		t.Error(diff)
	}
}

package deployments_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// alerts is what the tests read of alerts.yml.
type alerts struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

// TestAlertsFire has promtool play what should make each alert fire, and what should not.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	promtool := need(t, "promtool", "")
	if out, err := exec.Command(promtool, "check", "rules", "--lint-fatal", "prometheus/alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	test := exec.Command(promtool, "test", "rules", "alerts_test.yml")
	test.Dir = "prometheus"
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	played := read(t, "prometheus/alerts_test.yml")
	for _, group := range decode[alerts](t, "prometheus/alerts.yml").Groups {
		for _, rule := range group.Rules {
			if !strings.Contains(played, rule.Alert) {
				t.Errorf("nothing makes %s fire", rule.Alert)
			}
			for _, key := range []string{"summary", "description", "runbook"} {
				if rule.Annotations[key] == "" {
					t.Errorf("%s has no %s", rule.Alert, key)
				}
			}
			if severity := rule.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, severity) {
				t.Errorf("%s has the severity %q", rule.Alert, severity)
			}
		}
	}
}

// TestAlertsAreOnMetricsThatExist finds names that the program does not have: such an alert would never fire.
func TestAlertsAreOnMetricsThatExist(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	files, err := filepath.Glob("../gateway/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source.WriteString(read(t, file))
	}
	names := regexp.MustCompile(`gate451_[a-z_]+`)
	var seen int
	for _, group := range decode[alerts](t, "prometheus/alerts.yml").Groups {
		for _, rule := range group.Rules {
			for _, name := range names.FindAllString(rule.Expr, -1) {
				seen++
				if short := strings.TrimPrefix(name, "gate451_"); !strings.Contains(source.String(), `"`+name+`"`) && !strings.Contains(source.String(), `"`+short+`"`) {
					t.Errorf("%s is on %s, which the program does not have", rule.Alert, name)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d metrics were found in the alerts", seen)
	}
}

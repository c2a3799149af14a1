package rules_test

import (
	"os"
	"testing"
	"time"

	_ "gate451/config"      // want depguard.
	_ "gate451/gateway"     // want depguard.
	"gate451/gateway/geoip" // want depguard.
	"gate451/rules"
	_ "gate451/rules/packs"
)

func TestClock(t *testing.T) {
	_, err := rules.Clock(t.Context(), time.Now())
	if _, missing := os.Stat(geoip.Name); missing == nil || err != nil {
		t.Fail()
	}
}

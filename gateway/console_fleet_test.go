//go:build unix

package gateway_test

import (
	"strings"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway"
)

// TestConsoleOfAFleet shows the fleet and what it has published.
func TestConsoleOfAFleet(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	g := start(t, redis.member("gate-1", setup{options: func(o *gateway.Options) { o.Now = time.Now }}))
	eventually(t, "the replica is there", func() bool {
		page := g.console(t, "/")
		return strings.Contains(page, "1 replica") && strings.Contains(page, "Redis answers")
	})
	cfg, err := config.Load(g.file("gateway.yaml"), nil)
	must(t, err)
	operator, err := gateway.Operate(cfg, gateway.Options{})
	must(t, err)
	defer operator.Close()
	writeFile(t, g.file("pushed.yaml"), []byte(packPolicy+"rules: [{id: pushed, activity: sale, countries: [FR]}]\n"))
	_, _, err = operator.Push(t.Context(), g.file("pushed.yaml"), "ann", gateway.LatestGeneration)
	must(t, err)
	_, err = operator.Pause(t.Context(), "pushed", time.Now().Add(time.Hour), "a mistake", "bob")
	must(t, err)
	eventually(t, "the policy is in force", func() bool {
		page := g.console(t, "/policy")
		return strings.Contains(page, "fleet generation 2, by ann") && strings.Contains(page, "id: pushed") && strings.Contains(page, "by bob: a mistake")
	})
	if page := g.console(t, "/calendar"); !strings.Contains(page, "pause ends") || !strings.Contains(page, "1 paused") {
		t.Errorf("the calendar:\n%s", page)
	}
	redis.kill()
	eventually(t, "redis is missed", func() bool { return strings.Contains(g.console(t, "/"), "Redis does not answer") })
}

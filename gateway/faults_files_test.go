package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gate451/gateway"
)

// Faults of the files that a gateway watches. Each leaves the file good again, and its newest version in force.

// gazetteFile returns a database of the fault test.
func gazetteFile(t testing.TB, name string) []byte {
	t.Helper()
	networks := map[string]string{}
	for address, country := range gazettes[name] {
		networks[address+"/24"] = country
	}
	return database(t, built, networks)
}

// publish lets another policy come into force by whatever write does.
func (c *calamity) publish(t *testing.T, write func(text string)) {
	t.Helper()
	next := c.announce(write)
	c.reloaded(t)
	c.inForce(t, next)
}

// announce writes another policy, which comes into force some time from now.
func (c *calamity) announce(write func(text string)) (next *edition) {
	old := c.world.policy.last()[0]
	next = old
	for next == old {
		next = editions[c.random.IntN(len(editions))]
	}
	c.world.policy.may(old, next)
	write(next.text)
	return next
}

func (c *calamity) inForce(t *testing.T, next *edition) {
	t.Helper()
	c.world.policy.may(next)
	if got := c.gate.metric(t, `gate451_policy_info{digest="`+next.digest()+`"}`); got != "1" {
		t.Errorf("the metrics do not show %s in force", next.name)
	}
	c.traffic.pass(t, 10)
}

// reloaded loads everything again, which must succeed.
func (c *calamity) reloaded(t testing.TB) {
	t.Helper()
	if err := c.gate.Reload(); err != nil {
		t.Errorf("reload: %v", err)
	}
}

// spoilt checks that a reload fails, in these words, while traffic runs and the old version stays.
func (c *calamity) spoilt(t testing.TB, words string) {
	t.Helper()
	for range 2 {
		if err := c.gate.Reload(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("reload: %v, want %q", err, words)
		}
		c.traffic.pass(t, 15)
	}
}

// policyFile is the file that is read, behind the link that its folder is swapped by.
func (c *calamity) policyFile() string { return filepath.Join(c.mounted, "..data", "policy.yaml") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inPlace writes a policy into the file that is there.
func (c *calamity) inPlace(t *testing.T) func(string) {
	return func(text string) { writeFile(t, c.policyFile(), []byte(text)) }
}

// swapped puts another version of the whole folder in place, as Kubernetes does.
func (c *calamity) swapped(t *testing.T) func(string) {
	return func(text string) {
		old, err := os.Readlink(filepath.Join(c.mounted, "..data"))
		must(t, err)
		mount(t, c.mounted, strings.TrimPrefix(old, "..")+"1", text)
		must(t, os.RemoveAll(filepath.Join(c.mounted, old)))
	}
}

func policyReplaced(t *testing.T, c *calamity) {
	c.publish(t, c.swapped(t))
	next := c.announce(c.swapped(t)) // which the gateway finds out by itself
	eventually(t, next.name+" is in force", func() bool { return c.gate.metric(t, `gate451_policy_info{digest="`+next.digest()+`"}`) == "1" })
	c.inForce(t, next)
}

func policyInPlace(t *testing.T, c *calamity) { c.publish(t, c.inPlace(t)) }

func policyHalfWritten(t *testing.T, c *calamity) {
	text := c.world.policy.last()[0].text
	// In the middle of the first rule: a version that ends with a whole rule would be a policy like any other.
	half := text[:strings.Index(text, "countries:")]
	c.inPlace(t)(half)
	c.spoilt(t, "policy.yaml:")
	c.publish(t, c.inPlace(t))
}

func policyEmptied(t *testing.T, c *calamity) {
	must(t, os.Truncate(c.policyFile(), 0))
	c.spoilt(t, "policy.yaml:")
	c.publish(t, c.inPlace(t))
}

func policyBinary(t *testing.T, c *calamity) {
	c.inPlace(t)(string(content("no policy", 4000)))
	c.spoilt(t, "policy.yaml:")
	c.publish(t, c.swapped(t))
}

func policyDirectory(t *testing.T, c *calamity) {
	must(t, os.Remove(c.policyFile()))
	must(t, os.Mkdir(c.policyFile(), 0o700))
	c.spoilt(t, "is a directory; name a readable policy file under policy")
	c.publish(t, c.swapped(t))
}

func policyUnreadable(t *testing.T, c *calamity) {
	must(t, os.Chmod(c.policyFile(), 0))
	if _, err := os.ReadFile(c.policyFile()); err != nil { // root reads all the same
		c.spoilt(t, "permission denied; name a readable policy file under policy")
	}
	must(t, os.Remove(c.policyFile()))
	must(t, os.Symlink("policy.yaml", c.policyFile()))
	c.spoilt(t, syscall.ELOOP.Error())
	c.publish(t, c.swapped(t))
}

func policyRemoved(t *testing.T, c *calamity) {
	must(t, os.Remove(filepath.Join(c.mounted, "..data"))) // the link is left behind without its target
	c.spoilt(t, "no such file or directory; name a readable policy file under policy")
	text := c.world.policy.last()[0].text
	mount(t, c.mounted, "restored", text)
	c.publish(t, c.swapped(t))
}

// survey lets another database come into use, or the same again.
func (c *calamity) survey(t testing.TB) {
	t.Helper()
	old, next := c.world.gazette.last()[0], []string{"first", "second"}[c.random.IntN(2)]
	c.world.gazette.may(old, next)
	if info, err := os.Lstat(c.gate.file("geo.mmdb")); err == nil && info.IsDir() {
		must(t, os.Remove(c.gate.file("geo.mmdb")))
	}
	c.gate.replace(t, "geo.mmdb", gazetteFile(t, next))
	c.reloaded(t)
	c.world.gazette.may(next)
	c.traffic.pass(t, 10)
}

func databaseSwapped(t *testing.T, c *calamity) {
	for range 4 {
		c.survey(t)
	}
}

func databaseTruncated(t *testing.T, c *calamity) {
	info, err := os.Stat(c.gate.file("geo.mmdb"))
	must(t, err)
	must(t, os.Truncate(c.gate.file("geo.mmdb"), info.Size()/2))
	c.spoilt(t, "geo.mmdb: not a sound MaxMind DB file")
	must(t, os.Truncate(c.gate.file("geo.mmdb"), 0))
	c.spoilt(t, "geo.mmdb: not a sound MaxMind DB file")
	c.survey(t)
}

// databaseOverwritten writes nonsense over the database, but for its metadata at the end.
func databaseOverwritten(t *testing.T, c *calamity) {
	text, err := os.ReadFile(c.gate.file("geo.mmdb"))
	must(t, err)
	f, err := os.OpenFile(c.gate.file("geo.mmdb"), os.O_WRONLY, 0)
	must(t, err)
	_, err = f.Write(content("no database", len(text)/2))
	must(t, errors.Join(err, f.Close()))
	c.spoilt(t, "geo.mmdb: ")
	c.survey(t)
}

func databaseOfNetworks(t *testing.T, c *calamity) {
	c.gate.replace(t, "geo.mmdb", databaseOf(t, built, "GeoLite2-ASN", map[string]mmdbtype.Map{
		american + "/24": {"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": mmdbtype.String("Example")},
	}))
	c.spoilt(t, `a "GeoLite2-ASN" database, in which no record`)
	c.survey(t)
}

func databaseOfTheAnonymous(t *testing.T, c *calamity) {
	c.gate.replace(t, "geo.mmdb", databaseOf(t, built, "GeoIP2-Anonymous-IP", map[string]mmdbtype.Map{
		american + "/24": {"is_anonymous": mmdbtype.Bool(true), "is_tor_exit_node": mmdbtype.Bool(true)},
	}))
	c.spoilt(t, `a "GeoIP2-Anonymous-IP" database, in which no record`)
	c.survey(t)
}

func databaseRemoved(t *testing.T, c *calamity) {
	must(t, os.Remove(c.gate.file("geo.mmdb")))
	c.spoilt(t, "geo.mmdb: no such file or directory")
	must(t, os.Mkdir(c.gate.file("geo.mmdb"), 0o700))
	c.spoilt(t, "geo.mmdb: not a regular file")
	c.survey(t)
}

// TestPolicyIsInForceBeforeItIsTold looks at the metrics at the moment that they give for a reload: the new policy is in
// force already, so that whoever waits for it there can count on it.
func TestPolicyIsInForceBeforeItIsTold(t *testing.T) {
	t.Parallel()
	var g *gate
	var reloading, asking atomic.Bool
	var told atomic.Value
	g = start(t, setup{policy: editions[0].text, files: map[string][]byte{"geo.mmdb": gazetteFile(t, "first")}, options: func(o *gateway.Options) {
		now := o.Now
		o.Now = func() time.Time {
			// The console looks at the clock too, though rarely.
			if reloading.Load() && told.Load() != "1" && asking.CompareAndSwap(false, true) {
				told.Store(g.metric(t, `gate451_policy_info{digest="`+editions[1].digest()+`"}`))
				asking.Store(false)
			}
			return now()
		}
	}})
	g.metric(t, "gate451_build_info") // it serves
	g.replace(t, "policy.yaml", []byte(editions[1].text))
	reloading.Store(true)
	must(t, g.Reload())
	reloading.Store(false)
	if told.Load() != "1" {
		t.Errorf("the new policy is told to be in force: %v, want 1", told.Load())
	}
}

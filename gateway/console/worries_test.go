package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWorries shows what an operator is told, of everything that can be wrong.
func TestWorries(t *testing.T) {
	t.Parallel()
	well := func() *State {
		s := newStill(t).state
		s.Evidence, s.Fleet, s.Certificate = &Evidence{Durability: "strict", Written: 9}, &Fleet{Up: true, Digests: 1}, &Certificate{Expires: testNow.AddDate(1, 0, 0)}
		s.Issued = []Issued{{"shop.example", testNow.AddDate(0, 0, 4)}}
		return &s
	}
	for want, spoil := range map[string]func(*State){
		"": func(*State) {},
		"! The gateway is stopping: /readyz fails.":                                                                 func(s *State) { s.Stopping = true },
		"! The last version of the policy could not be loaded; the one before it stays in force. (p.yaml:1:2: bad)": func(s *State) { s.PolicyTrouble = "p.yaml:1:2: bad" },
		"! The evidence cannot be written: governed requests are answered 503. (no space)":                          func(s *State) { s.Evidence.Trouble = "no space" },
		"! The evidence cannot be written: decisions will be lost. (no space)": func(s *State) {
			s.Evidence.Trouble, s.Evidence.Durability = "no space", "best_effort"
		},
		"! 1,234 decisions were answered without a record.":                                          func(s *State) { s.Evidence.Lost = 1234 },
		"- 2 requests were answered 503 since the start, because their record could not be written.": func(s *State) { s.Evidence.Failed = 2 },
		"! The database old is older than geoip.max_age: it was built 100 days ago, on 2024-06-18.": func(s *State) {
			s.Databases = append(s.Databases, Database{"old", testNow.AddDate(0, 0, -100), true})
		},
		"! A database could not be loaded again; the one before it stays in use. (geo.mmdb: bad)": func(s *State) { s.DatabaseTrouble = []string{"geo.mmdb: bad"} },
		"! The gateway's certificate has expired, on 26 Sep 2024, 13:20:30 UTC.":                  func(s *State) { s.Certificate.Expires = testNow.Add(-time.Hour) },
		"- The gateway's certificate expires in 3 days.":                                          func(s *State) { s.Certificate.Expires = testNow.AddDate(0, 0, 3) },
		"! A newer certificate could not be loaded. (bad key)":                                    func(s *State) { s.Certificate.Trouble = "bad key" },
		"! No certificate has been issued for shop.example yet: no buyer reaches it. The log says what the authority answers.": func(s *State) {
			s.Issued[0].Expires = time.Time{}
		},
		"! The certificate of shop.example has expired, on 26 Sep 2024, 13:20:30 UTC, and no new one was issued. The log says what the authority answers.": func(s *State) {
			s.Issued[0].Expires = testNow.Add(-time.Hour)
		},
		"! The certificate of shop.example expires in 2 days, and no new one was issued. The log says what the authority answers.": func(s *State) {
			s.Issued[0].Expires = testNow.AddDate(0, 0, 2)
		},
		"! Redis does not answer. The gateway decides by the policy that it has, and does not hear of a newer one.":   func(s *State) { s.Fleet.Up = false },
		"! The fleet's newest policy is not in force here. (bad)":                                                     func(s *State) { s.Fleet.Refused = "bad" },
		"! The replicas decide by 2 different policies.":                                                              func(s *State) { s.Fleet.Digests = 2 },
		"! Another replica has the name of this one; give each its own, or else their evidence cannot be told apart.": func(s *State) { s.Fleet.Namesake = true },
		"! The clock of this replica is 1 min off that of Redis; rules begin and end by it.":                          func(s *State) { s.Fleet.ClockOffset = -time.Minute },
		"- The rule sales is paused until 26 Sep 2024, 11:20:30 EDT and blocks nobody. (By ann: a mistake)": func(s *State) {
			s.Fleet.Pauses = []Pause{{"sales", "a mistake", "ann", testNow.Add(time.Hour)}, {"ended", "", "bob", testNow}}
		},
		"- A request came from a private address. If that is a balancer or proxy, name it under client_ip.trusted_proxies, or every buyer is judged by its address.": func(s *State) { s.Private = true },
		"- The address of a request could not be established; the policy's client_address decides about such requests.":                                              func(s *State) { s.Unusable = true },
	} {
		s := well()
		spoil(s)
		var got string
		for _, w := range worries(s) {
			got += fmt.Sprint(map[bool]string{true: "! ", false: "- "}[w.Serious], w.Text)
			if w.More != "" {
				got += " (" + w.More + ")"
			}
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	s := well()
	s.Private, s.Stopping, s.Unusable, s.PolicyTrouble = true, true, true, "bad"
	var order []bool
	for _, w := range worries(s) {
		order = append(order, w.Serious)
	}
	if diff := cmp.Diff([]bool{true, true, false, false}, order); diff != "" {
		t.Errorf("what is serious must come first: %s", diff)
	}
}

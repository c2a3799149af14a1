package deployments_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// withheldNames reads where they stand which headers no shop may see, but for those that every proxy sets or acts upon.
func withheldNames(t *testing.T) (names []string) {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, "../gateway/upstream/names.go"), "withheldNames = set(")
	rest, _, _ = strings.Cut(rest, "\n\n")
	for _, quoted := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(rest, -1) {
		names = append(names, strings.Fields(quoted[1])...)
	}
	if len(names) < 100 {
		t.Fatalf("%d names; they are no longer where this test reads them", len(names))
	}
	own := strings.Fields(`connection proxy-connection keep-alive te trailer transfer-encoding upgrade proxy-authenticate host content-length gate451
		x-forwarded-for x-forwarded-proto`)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(own, name) })
}

// TestTraefik reads Traefik's configuration as strictly as Traefik does, and looks for what lets nobody by. The endpoint that it
// asks is tested with what Traefik's documentation says it sends.
func TestTraefik(t *testing.T) {
	t.Parallel()
	var c struct {
		HTTP struct {
			Routers map[string]struct {
				Rule        string
				Middlewares []string
				Service     string
			}
			Middlewares map[string]struct {
				ForwardAuth *struct {
					Address             string
					TrustForwardHeader  bool     `yaml:"trustForwardHeader"`
					AuthResponseHeaders []string `yaml:"authResponseHeaders"`
					ForwardBody         bool     `yaml:"forwardBody"`
					MaxBodySize         int64    `yaml:"maxBodySize"`
				} `yaml:"forwardAuth"`
				Headers *struct {
					Request  map[string]string `yaml:"customRequestHeaders"`
					Response map[string]string `yaml:"customResponseHeaders"`
				}
			}
			Services map[string]any
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "traefik/gate451.yaml")), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for name, r := range c.HTTP.Routers {
		if !slices.Equal(r.Middlewares, []string{"gate451-withheld", "gate451"}) || c.HTTP.Services[r.Service] == nil {
			t.Errorf("router %s goes through %v to %s", name, r.Middlewares, r.Service)
		}
	}
	f := c.HTTP.Middlewares["gate451"].ForwardAuth
	if f == nil || f.Address != "http://127.0.0.1:9452/forward-auth" || f.TrustForwardHeader || !f.ForwardBody || !slices.Equal(f.AuthResponseHeaders, []string{"X-Country-Code", "Gate451-Decision", "Gate451-Notice", "Gate451-Token", "Gate451-Preview"}) {
		t.Errorf("forwardAuth: %+v", f)
	}
	removed := map[string]bool{}
	for name, value := range c.HTTP.Middlewares["gate451-withheld"].Headers.Request {
		if value != "" {
			t.Errorf("%s is set to %q", name, value)
		}
		removed[strings.ToLower(name)] = true
	}
	for _, name := range withheldNames(t) {
		spellings := []string{name, strings.ReplaceAll(name, "-", "_")}
		if slices.Contains([]string{"x-forwarded-host", "x-forwarded-port", "x-forwarded-server", "x-real-ip"}, name) {
			spellings = spellings[1:] // Traefik itself sets them
		}
		for _, spelling := range spellings {
			if !removed[spelling] {
				t.Errorf("%s is not removed", spelling)
			}
		}
	}
}

// TestEnvoy looks in Envoy's configuration for what lets nobody by. The endpoint that it asks is tested with what Envoy's
// documentation says it sends.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	type filter struct {
		Name   string
		Config struct {
			Routes struct {
				Hosts []struct {
					Routes []map[string]any
				} `yaml:"virtual_hosts"`
			} `yaml:"route_config"`
			Filters []filterOfHTTP `yaml:"http_filters"`
		} `yaml:"typed_config"`
	}
	var c struct {
		Resources struct {
			Listeners []struct {
				Chains []struct{ Filters []filter } `yaml:"filter_chains"`
			}
		} `yaml:"static_resources"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "envoy/envoy.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	connections := c.Resources.Listeners[0].Chains[0].Filters[0].Config
	if len(connections.Filters) != 3 || len(connections.Routes.Hosts) != 1 {
		t.Fatalf("%+v", connections)
	}
	for _, r := range connections.Routes.Hosts[0].Routes {
		if r["typed_per_filter_config"] != nil {
			t.Errorf("a route has filters of its own: %v", r)
		}
	}
	var removed []string
	for _, m := range connections.Filters[0].Config.Mutations.Request {
		removed = append(removed, m.Remove)
	}
	for _, name := range append(withheldNames(t), "x-country-code", "gate451-decision") {
		if name != "x-envoy-external-address" && !slices.Contains(removed, name) { // which Envoy itself sets
			t.Errorf("%s is not removed", name)
		}
	}
	question := connections.Filters[1].Config
	if question.Fails == nil || *question.Fails || question.Service.Prefix != "/forward-auth/envoy" || connections.Filters[1].Name != "envoy.filters.http.ext_authz" {
		t.Errorf("%+v", connections.Filters[1])
	}
}

// filterOfHTTP is one of the filters that a request passes in Envoy, with what TestEnvoy looks at.
type filterOfHTTP struct {
	Name   string
	Config struct {
		Mutations struct {
			Request []struct{ Remove string } `yaml:"request_mutations"`
		}
		Fails   *bool `yaml:"failure_mode_allow"`
		Service struct {
			Prefix string `yaml:"path_prefix"`
		} `yaml:"http_service"`
	} `yaml:"typed_config"`
}

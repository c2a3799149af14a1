package deployments_test

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestEveryYAMLFileIsWellFormed also refuses keys that are written twice, of which a program would use one.
func TestEveryYAMLFileIsWellFormed(t *testing.T) {
	t.Parallel()
	var read int
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if extension := filepath.Ext(path); err != nil || entry.IsDir() || extension != ".yaml" && extension != ".yml" {
			return err
		}
		read++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var content map[string]any
		if err := yaml.Unmarshal(text, &content); err != nil {
			t.Errorf("%s: %v", path, err)
		} else if len(content) == 0 {
			t.Errorf("%s is empty", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 4 {
		t.Errorf("%d YAML files were found", read)
	}
}

func TestPrometheusAcceptsItsConfiguration(t *testing.T) {
	t.Parallel()
	promtool := need(t, "promtool", "")
	if output, err := exec.Command(promtool, "check", "config", "--lint-fatal", "prometheus/prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

// composeFile is what the tests read of compose.yaml.
type composeFile struct {
	Services map[string]struct {
		Build struct {
			Context string
		}
		Image     string
		DependsOn []string `yaml:"depends_on"`
		Ports     []string
		Volumes   []string
		Command   []string
		Profiles  []string
	}
	Volumes  map[string]any
	Networks struct {
		Default struct {
			IPAM struct {
				Config []struct{ Subnet string }
			} `yaml:"ipam"`
		}
	}
}

// gatewayFile is what the tests read of gateway.yaml.
type gatewayFile struct {
	Listen   string
	ClientIP struct {
		TrustedProxies []string `yaml:"trusted_proxies"`
	} `yaml:"client_ip"`
	Routes []struct{ Upstreams []string }
	Policy string
	Admin  struct {
		Listen    string
		TokenFile string `yaml:"token_file"`
	}
}

type prometheusFile struct {
	ScrapeConfigs []struct {
		StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

func decode[T any](t *testing.T, path string) T {
	t.Helper()
	var content T
	if err := yaml.Unmarshal([]byte(read(t, path)), &content); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return content
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	var published int
	for name, service := range decode[composeFile](t, "compose/compose.yaml").Services {
		for _, mapping := range service.Ports {
			published++
			if !strings.HasPrefix(mapping, "127.0.0.1:") {
				t.Errorf("%s publishes %s; want 127.0.0.1:…", name, mapping)
			}
		}
	}
	if published == 0 {
		t.Error("nothing is published")
	}
}

func TestComposeFindsWhatItMountsAndBuilds(t *testing.T) {
	t.Parallel()
	compose := decode[composeFile](t, "compose/compose.yaml")
	for name, service := range compose.Services {
		if (service.Build.Context == "") == (service.Image == "") {
			t.Errorf("%s wants a build or an image, and one of them", name)
		}
		if service.Build.Context != "" {
			read(t, filepath.Join("compose", service.Build.Context, "Dockerfile"))
		}
		for _, volume := range service.Volumes {
			source, rest, _ := strings.Cut(volume, ":")
			if _, named := compose.Volumes[source]; named && !strings.ContainsAny(source, "./") {
				if owner := only(t, "COPY --from=build --chown=nonroot:nonroot "); !strings.HasSuffix(owner, " "+rest) {
					t.Errorf("%s mounts %s at %s, which the image gives to nobody: %s", name, source, rest, owner)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join("compose", source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.HasSuffix(rest, ":ro") {
				t.Errorf("%s may write to %s", name, source)
			}
		}
	}
}

// TestComposeAgreesWithItsConfiguration follows each name and port from the file that uses it to the one that gives it.
func TestComposeAgreesWithItsConfiguration(t *testing.T) {
	t.Parallel()
	compose := decode[composeFile](t, "compose/compose.yaml")
	gateway := decode[gatewayFile](t, "compose/gateway.yaml")
	prometheus := decode[prometheusFile](t, "prometheus/prometheus.yml")
	running := compose.Services["gate451"]

	for _, listen := range []string{gateway.Listen, gateway.Admin.Listen} {
		if mapping := fmt.Sprintf("127.0.0.1:%[1]s:%[1]s", port(t, listen)); !slices.Contains(running.Ports, mapping) {
			t.Errorf("the gateway listens on %s and compose publishes %v", listen, running.Ports)
		}
	}
	if target := "gate451:" + port(t, gateway.Admin.Listen); prometheus.ScrapeConfigs[0].StaticConfigs[0].Targets[0] != target {
		t.Errorf("Prometheus scrapes %v, want %s", prometheus.ScrapeConfigs, target)
	}
	upstream := compose.Services["upstream"].Command
	if want := "http://upstream:" + port(t, upstream[len(upstream)-1]); !slices.Equal(gateway.Routes[0].Upstreams, []string{want}) {
		t.Errorf("the gateway forwards to %v, want %s", gateway.Routes[0].Upstreams, want)
	}
	trusted := netip.MustParsePrefix(gateway.ClientIP.TrustedProxies[0])
	if subnet := compose.Networks.Default.IPAM.Config[0].Subnet; trusted.String() != subnet || !trusted.Addr().IsPrivate() {
		t.Errorf("the gateway trusts %v and the network is %s", trusted, subnet)
	}
	if ignored := read(t, "compose/.gitignore"); !strings.Contains(ignored, gateway.Admin.TokenFile+"\n") || gateway.Admin.TokenFile == "" {
		t.Errorf("git would take up %q", gateway.Admin.TokenFile)
	}
	read(t, filepath.Join("compose", gateway.Policy))
	for name, service := range compose.Services {
		for _, other := range service.DependsOn {
			if _, ok := compose.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
	}
	if !slices.Equal(compose.Services["redis"].Profiles, []string{"fleet"}) {
		t.Error("Redis starts although nothing asks for it")
	}
}

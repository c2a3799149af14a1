package config

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVariablesOverrideScalars(t *testing.T) {
	t.Parallel()
	want := defaults()
	want.Listen = "127.0.0.1:80"
	want.Policy = "/etc/gate451/other.yaml"
	want.TLS.CertFile, want.TLS.KeyFile = "/run/tls.crt", "/run/tls.key"
	want.GeoIP.MaxAge = 24 * time.Hour
	want.Limits.BodyBytes = 1 << 20
	want.Log.Level = slog.LevelWarn
	c := parse(t, minimal+"listen: \":81\"\n",
		"HOME=/root", "=C:=C:", "novalue", "GATE451_LISTEN=:82", "GATE451_LISTEN=127.0.0.1:80", "GATE451_POLICY=other.yaml", "GATE451_TLS_CERT_FILE=/run/tls.crt",
		"GATE451_TLS_KEY_FILE=/run/tls.key", "GATE451_GEOIP_MAX_AGE=1d", "GATE451_LIMITS_BODY_BYTES=1MiB", "GATE451_LOG_LEVEL=warn")
	if d := diff(want, c); d != "" {
		t.Errorf("with variables (-want +got):\n%s", d)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings: %v", c.Warnings())
	}
}

func TestAVariableCanBeTheOnlySourceOfARequiredKey(t *testing.T) {
	t.Parallel()
	c := parse(t, "routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:3000\"]}]\n", "GATE451_POLICY=policy.yaml")
	if d := diff(defaults(), c); d != "" {
		t.Errorf("with variables (-want +got):\n%s", d)
	}
}

func TestMistakesInVariablesBearTheirName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ src, variable, want string }{
		{minimal, "GATE451_LISTEN=", `GATE451_LISTEN: "" is not an address to listen on; write host:port, such as :8080 or 127.0.0.1:8080`},
		{minimal, "GATE451_GEOIP_MAX_AGE=60", `GATE451_GEOIP_MAX_AGE: "60" is not a duration; write whole numbers with ms, s, m, h or d, such as 10s, 1h30m or 60d`},
		{minimal, "GATE451_LOG_LEVEL=WARN", `GATE451_LOG_LEVEL: "WARN" is not allowed here; write warn`},
		{minimal, "GATE451_ADMIN_LISTEN=:9451", "GATE451_ADMIN_LISTEN: admin.listen :9451 can be reached from other machines without a token; add admin.token_file, or listen on 127.0.0.1"},
		{minimal, "GATE451_TLS_KEY_FILE=a", "GATE451_TLS_KEY_FILE: tls.key_file has no tls.cert_file; name both, or neither"},
		{minimal, "GATE451_ROUTES=x", "GATE451_ROUTES: routes is a list, which no variable can set; set it in the file"},
		{minimal, "GATE451_CLIENT_IP_TRUSTED_PROXIES=0.0.0.0/0", "GATE451_CLIENT_IP_TRUSTED_PROXIES: client_ip.trusted_proxies is a list, which no variable can set; set it in the file"},
		{minimal, "GATE451_GEOIP_OVERRIDES=x", "GATE451_GEOIP_OVERRIDES: geoip.overrides is a mapping, which no variable can set; set it in the file"},
		{"policy: a\n", "GATE451_LISTEN=x", "gateway.yaml:1:1: routes is missing; write a list, such as routes: [{hosts: [shop.example], upstreams: [\"http://10.0.0.5:3000\"]}]\n" +
			`GATE451_LISTEN: "x" is not an address to listen on; write host:port, such as :8080 or 127.0.0.1:8080`},
		{"policy: a\nroutes: [{}]\n", "GATE451_ROUTES_[]_HOSTS=x", "gateway.yaml:2:10: hosts is missing; write a list, such as hosts: [shop.example]\n" +
			"gateway.yaml:2:10: upstreams is missing; write a list, such as upstreams: [\"http://10.0.0.5:3000\"]"},
	} {
		c, err := Parse("gateway.yaml", []byte(test.src), []string{test.variable})
		if c != nil || err == nil || err.Error() != test.want {
			t.Errorf("%s: Parse = %v, %v; want %s", test.variable, c, err, test.want)
		}
	}
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal, "GATE451_LISTN=:80", "GATE451_ADMIN_TOKEN=x",
		// A Service named gate451, and one named gate451-admin.
		"GATE451_SERVICE_HOST=10.96.0.1", "GATE451_SERVICE_PORT=80", "GATE451_SERVICE_PORT_HTTP=80", "GATE451_PORT=tcp://10.96.0.1:80",
		"GATE451_PORT_8080_TCP=tcp://10.96.0.1:8080", "GATE451_PORT_8080_TCP_PROTO=tcp", "GATE451_PORT_8080_TCP_PORT=8080", "GATE451_PORT_8080_TCP_ADDR=10.96.0.1",
		"GATE451_ADMIN_SERVICE_HOST=10.96.0.2", "GATE451_ADMIN_PORT=tcp://10.96.0.2:80", "GATE451_ADMIN_PORT_53_UDP=udp://10.96.0.2:53")
	var got []string
	for _, p := range c.Warnings() {
		got = append(got, p.Error())
	}
	want := []string{
		"GATE451_ADMIN_TOKEN: overrides no key of gateway.yaml; unset it, or name it without GATE451_",
		"GATE451_LISTN: overrides no key of gateway.yaml; did you mean GATE451_LISTEN?",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
}

func TestVariablesAreDistinctAndNotThoseOfKubernetes(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	each(reflect.ValueOf(new(Config)).Elem(), nil, func(path []string, _ field, _ reflect.Value) {
		name, key := variable(path), strings.Join(path, ".")
		if kubernetes.MatchString(name) {
			t.Errorf("%s looks like a variable of Kubernetes", name)
		}
		if seen[name] != "" {
			t.Errorf("%s overrides both %s and %s", name, seen[name], key)
		}
		seen[name] = key
	})
	if len(seen) < 25 {
		t.Errorf("only %d variables", len(seen))
	}
}

package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpdatesThatFail has a server that gives nothing away, and an operator who asks again and again.
func TestUpdatesThatFail(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	dir := folder(t, map[string]string{
		"gateway.yaml": minimalGateway + "geoip: {update: {account_id: 123456, license_key_file: key, editions: [GeoLite2-City], url: \"" + server.URL + "\"}}\n",
		"policy.yaml":  policyOpen, "key": "s3cret",
	})
	config := "--config=" + filepath.Join(dir, "gateway.yaml")
	for i, step := range []struct {
		args  []string
		want  string
		asked int
	}{
		{[]string{"geoip", "update", config}, "GeoLite2-City: not updated, what is there stays: ", 1},
		{[]string{"geoip", "update", config}, "GeoLite2-City: not asked for again before ", 1},
		{[]string{"geoip", "update", config, "--now"}, "GeoLite2-City: not updated, what is there stays: ", 2},
	} {
		got := call(t, nil, step.args...)
		if got.code != exitWrong || got.stdout != "" || !strings.Contains(got.stderr, step.want) || !strings.Contains(got.stderr, "(429)") || asked != step.asked {
			t.Errorf("%d: asked %d times, %+v", i, asked, got)
		}
		if !strings.Contains(got.stderr, "warning: ") || strings.Contains(got.stderr, "s3cret") {
			t.Errorf("%d: %s", i, got.stderr)
		}
	}
}

package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPresets holds each preset against requests that its program was seen to make, or that its documents name, and
// against others that it has nothing to do with.
func TestPresets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ base, claims, passes string }{
		"apt": {"/debian", `/debian/dists/stable/InRelease /debian/dists/stable/main/binary-amd64/Packages.xz /debian/dists/stable/main/dep11/Components-all.yml.lzma
			/debian/dists/stable/main/binary-all/by-hash/SHA256/00 /debian/pool/hallo_1.0_all.deb /DEBIAN/Dists /debian/flat/InRelease /debian/hallo_1.0_all.deb
			/debian/flat/d-i/hallo_1.0_all.udeb`, "/ /debian /dists/stable/InRelease /debian/distsx /debian/doc/dists /blog/debian/pool /debian/inrelease.html /debian/about.debian"},
		"dnf":    {"", "/rpm/repodata/repomd.xml /repodata/0a-primary.xml.gz /9/BaseOS/x86_64/os/Packages/h/hallo-1.0-1.noarch.rpm /hallo.drpm", "/ /rpm /rpms/index.html /repodata.html /packages /hallo.rpm.html"},
		"clamav": {"", "/daily.cvd /main.cvd /bytecode.cvd /daily.cld /daily-26789.cdiff /main-62.cvd.sign", "/ /daily /daily.txt /mirror/daily.cvd /cvd"},
		"wsus": {"", `/Content/A3/0123456789ABCDEF0123456789ABCDEF012345A3.cab /ServerSyncWebService/ServerSyncWebService.asmx /dssauthwebservice/dssauthwebservice.asmx
			/ReportingWebService/ReportingWebService.asmx /ClientWebService/client.asmx /SelfUpdate/wuident.cab`, "/ /contents /wsus /blog/content"},
		"files":     {"/a", "/a /a/file.bin /a/b/c", "/ /b /ab"},
		"kaspersky": {"/mirror", "/mirror/bases/x /mirror/updates/index/u0607g.xml /mirror/updcfg.xml", "/ /mirror /bases/x /mirror/basesx /mirror/about"},
	} {
		element := "{preset: " + name + ", hosts: [updates.example]}"
		if c.base != "" {
			element = strings.Replace(element, "}", ", base: "+c.base+"/}", 1)
		}
		p := parse(t, "version: 1\nactivities: {update: ["+element+"]}\n")
		for want, paths := range map[bool]string{true: c.claims, false: c.passes} {
			for path := range strings.FieldsSeq(paths) {
				d := p.Decide(&Request{Host: "updates.example", Paths: []string{path}}, from("US"), instant(t, "2025-01-01T00:00:00Z"))
				if d.Governed() != want {
					t.Errorf("%s: %s is claimed: %v", name, path, d.Governed())
				}
			}
		}
		if d := p.Decide(&Request{Host: "shop.example", Paths: []string{strings.Fields(c.claims)[0]}}, from("US"), instant(t, "2025-01-01T00:00:00Z")); d.Governed() {
			t.Errorf("%s: another host is claimed", name)
		}
	}
	if got := strings.Join(Presets(), " "); got != "apt clamav dnf files kaspersky magento2 medusa opencart prestashop saleor shopify vendure woocommerce wsus" {
		t.Errorf("presets %s", got)
	}
}

// TestPresetsSayWhatTheyRestOn: every path of a preset stands below the evidence for it.
func TestPresetsSayWhatTheyRestOn(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		text, ok := PresetText(name)
		if !ok || !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), "\npreset: "+name+"\nactivity: ") {
			t.Fatalf("%s: %s", name, text)
		}
		if name == "files" {
			continue // everything needs no evidence
		}
		lines := strings.Split(string(text), "\n")
		if first := slices.IndexFunc(lines, func(line string) bool { return regexp.MustCompile(`^  - `).MatchString(line) }); !strings.HasPrefix(lines[first-1], "  # ") {
			t.Errorf("%s: %q stands below no evidence", name, lines[first])
		}
	}
}

// TestPresetIsWhatItStandsFor: a preset written out is the same policy.
func TestPresetIsWhatItStandsFor(t *testing.T) {
	t.Parallel()
	short := parse(t, "version: 1\nactivities: {download: [{preset: apt, hosts: [a.example], base: /debian}]}\n")
	long := parse(t, `version: 1
activities: {download: [{hosts: [a.example], paths: [/debian/pool, /debian/dists, "/debian/**/InRelease", "/debian/**/*.deb", "/debian/**/*.udeb"]}]}
`)
	if short.Digest() != long.Digest() {
		t.Errorf("%s\n%s", short.Text(), long.Text())
	}
}

// TestExampleOf: the example with a preset is valid, and about its paths.
func TestExampleOf(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		text, err := ExampleOf(name)
		host, paths := "updates.example", "/updates]"
		if preset, _ := PresetText(name); strings.Contains(string(preset), "\nactivity: sale\n") {
			host, paths = "shop.example", "/checkout, /buy]"
		}
		if err != nil || !strings.Contains(string(text), "\n    - {preset: "+name+", hosts: ["+host+"]}\n") || strings.Contains(string(text), paths) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		parse(t, string(text))
	}
	if _, err := ExampleOf("atp"); err == nil || !strings.Contains(err.Error(), `unknown preset "atp"; `) {
		t.Errorf("%v", err)
	}
}

package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDebianPackage builds the package, installs it below a folder, upgrades and purges it, and runs what is installed.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	dpkg := need(t, "dpkg", "")
	program, dir := buildProgram(t), t.TempDir()
	script, err := filepath.Abs("debian/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, arguments ...string) string {
		t.Helper()
		cmd := exec.Command(name, arguments...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/sbin:"+os.Getenv("PATH"), "DEBFULLNAME=The shop", "DEBEMAIL=packages@shop.example", "LC_ALL=C",
			"DPKG_DEB_COMPRESSOR_TYPE=none") // which takes half a minute of a slow machine otherwise
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, arguments, err, out)
		}
		return string(out)
	}
	build := func(version string) (file string) {
		t.Helper()
		run(script, version, program)
		return filepath.Join(dir, "gate451_"+version+"_"+strings.TrimSpace(run(dpkg, "--print-architecture"))+".deb")
	}
	first := build("1.0.0")
	fields := run("dpkg-deb", "--field", first)
	for _, want := range []string{"Package: gate451\n", "Version: 1.0.0\n", "Maintainer: The shop <packages@shop.example>\n", "Installed-Size: "} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q among\n%s", want, fields)
		}
	}
	for line := range strings.Lines(run("dpkg-deb", "--contents", first)) {
		mode, _, _ := strings.Cut(line, " ")
		if !strings.Contains(line, " root/root ") || !slices.Contains([]string{"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"}, mode) {
			t.Errorf("not everybody can read it and only root write it: %s", line)
		}
	}

	root := filepath.Join(dir, "root")
	installed := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	if os.Geteuid() != 0 {
		run("dpkg-deb", "--extract", first, root)
		lookAtInstalled(t, run, installed)
		return // only root can give files to root, as dpkg does
	}
	for _, folder := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(installed("var/lib/dpkg/"+folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, installed("var/lib/dpkg/status"), "")
	options := []string{"--root=" + root, "--force-script-chrootless", "--force-confold", "--log=" + filepath.Join(dir, "log")}
	run(dpkg, append(options, "--install", first)...)
	lookAtInstalled(t, run, installed)

	policy := read(t, installed("etc/gate451/policy.yaml")) + "# changed by the operator\n"
	write(t, installed("etc/gate451/policy.yaml"), policy)
	if err := os.MkdirAll(installed("var/lib/gate451/evidence"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(dpkg, append(options, "--install", build("1.1.0"))...)
	if read(t, installed("etc/gate451/policy.yaml")) != policy {
		t.Error("the upgrade has changed the policy")
	}
	run(dpkg, append(options, "--purge", "gate451")...)
	for name, stays := range map[string]bool{"usr/bin/gate451": false, "etc/gate451/gateway.yaml": false, "var/lib/gate451/evidence": true} {
		if _, err := os.Stat(installed(name)); (err == nil) != stays {
			t.Errorf("purged, %s: %v", name, err)
		}
	}
}

// lookAtInstalled runs the program that is installed on the configuration that is.
func lookAtInstalled(t *testing.T, run func(string, ...string) string, installed func(string) string) {
	t.Helper()
	program := installed("usr/bin/gate451")
	if said := run(program, "version"); !strings.HasPrefix(said, "gate451 ") {
		t.Errorf("version: %s", said)
	}
	if said := run(program, "validate", "--config", installed("etc/gate451/gateway.yaml")); !strings.Contains(said, "is valid") {
		t.Errorf("validate: %s", said)
	}
	if unit := read(t, installed("usr/lib/systemd/system/gate451.service")); !strings.Contains(unit, "\nExecStart=/usr/bin/gate451 serve --config /etc/gate451/gateway.yaml\n") {
		t.Errorf("the service starts another program:\n%s", unit)
	}
	if read(t, installed("usr/lib/systemd/system/gate451.socket")) != read(t, "systemd/gate451.socket") {
		t.Error("the socket is another one")
	}
	if !strings.Contains(read(t, installed("usr/share/doc/gate451/copyright")), "CC BY-SA 4.0") {
		t.Error("it does not say whose the data are")
	}
}

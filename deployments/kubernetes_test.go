package deployments_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"gate451/config"
)

// cluster is what the manifests ask for, as kustomize puts them together.
type cluster struct {
	namespace  core.Namespace
	deployment apps.Deployment
	configs    map[string]core.ConfigMap // by the name that they have in kustomization.yaml
	services   map[string]core.Service
	budget     policy.PodDisruptionBudget
	scaler     autoscaling.HorizontalPodAutoscaler
	network    networking.NetworkPolicy
	monitor    monitoring.ServiceMonitor
	alerts     monitoring.PrometheusRule
}

// kubernetes builds the manifests and reads each by the types of its API: a key that the API does not have is an error.
func kubernetes(t *testing.T) *cluster {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{configs: map[string]core.ConfigMap{}, services: map[string]core.Service{}}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decoded := func(into any) {
			if err := strictly(text, into); err != nil {
				t.Errorf("%s %s: %v", resource.GetKind(), resource.GetName(), err)
			}
		}
		switch kind := resource.GetApiVersion() + " " + resource.GetKind(); kind {
		case "v1 Namespace":
			decoded(&c.namespace)
		case "apps/v1 Deployment":
			decoded(&c.deployment)
		case "v1 ConfigMap":
			var m core.ConfigMap
			decoded(&m)
			c.configs[strings.Join(strings.Split(m.Name, "-")[:2], "-")] = m // kustomize may have added a digest
		case "v1 Service":
			var s core.Service
			decoded(&s)
			c.services[s.Name] = s
		case "policy/v1 PodDisruptionBudget":
			decoded(&c.budget)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			decoded(&c.scaler)
		case "networking.k8s.io/v1 NetworkPolicy":
			decoded(&c.network)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			decoded(&c.monitor)
		case "monitoring.coreos.com/v1 PrometheusRule":
			decoded(&c.alerts)
		default:
			t.Errorf("this test does not know %s", kind)
		}
		if resource.GetKind() != "Namespace" && resource.GetNamespace() != "gate451" {
			t.Errorf("%s %s is in the namespace %q", resource.GetKind(), resource.GetName(), resource.GetNamespace())
		}
	}
	return c
}

// strictly decodes YAML by the JSON tags of its type, as the API server does, and refuses keys that the type does not have.
func strictly(text []byte, into any) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// TestKubernetesPartsMeet follows each name, port and label from the part that uses it to the one that has it.
func TestKubernetesPartsMeet(t *testing.T) {
	t.Parallel()
	c := kubernetes(t)
	pod := c.deployment.Spec.Template
	if len(pod.Spec.Containers) != 1 {
		t.Fatalf("the pod has %d containers", len(pod.Spec.Containers))
	}
	selects := func(who string, selector map[string]string) {
		if len(selector) == 0 {
			t.Errorf("%s selects everything", who)
		}
		for key, value := range selector {
			if pod.Labels[key] != value {
				t.Errorf("%s selects %s=%s, and the pods have %v", who, key, value, pod.Labels)
			}
		}
	}
	selects("the deployment", c.deployment.Spec.Selector.MatchLabels)
	selects("the budget", c.budget.Spec.Selector.MatchLabels)
	selects("the network policy", c.network.Spec.PodSelector.MatchLabels)
	selects("the spread", pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels)
	ports := map[string]int32{}
	for _, port := range pod.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	for name, service := range c.services {
		selects("the service "+name, service.Spec.Selector)
		for _, port := range service.Spec.Ports {
			if ports[port.TargetPort.StrVal] == 0 {
				t.Errorf("the service %s sends to %s, and the pod has %v", name, port.TargetPort.StrVal, ports)
			}
		}
	}
	for _, rule := range c.network.Spec.Ingress {
		if ports[rule.Ports[0].Port.StrVal] == 0 || len(rule.From) == 0 {
			t.Errorf("the network policy lets %v reach %v", rule.From, rule.Ports)
		}
	}
	for _, probe := range []*core.Probe{pod.Spec.Containers[0].ReadinessProbe, pod.Spec.Containers[0].LivenessProbe} {
		if ports[probe.HTTPGet.Port.StrVal] == 0 {
			t.Errorf("a probe asks %s", probe.HTTPGet.Port.StrVal)
		}
	}
	if of := c.scaler.Spec.ScaleTargetRef; of.Kind != "Deployment" || of.Name != c.deployment.Name || c.deployment.Spec.Replicas != nil {
		t.Errorf("the autoscaler is of %v, and the deployment says itself that it has %v replicas", of, c.deployment.Spec.Replicas)
	}
	admin := c.services["gate451-admin"]
	for key, value := range c.monitor.Spec.Selector.MatchLabels {
		if admin.Labels[key] != value {
			t.Errorf("the monitor selects %s=%s, and the service has %v", key, value, admin.Labels)
		}
	}
	if job := admin.Labels[c.monitor.Spec.JobLabel]; job != "gate451" {
		t.Errorf("Prometheus calls the job %q, and the alerts are about gate451", job)
	}
	if c.monitor.Spec.Endpoints[0].Port != admin.Spec.Ports[0].Name {
		t.Errorf("the monitor scrapes %s", c.monitor.Spec.Endpoints[0].Port)
	}
	var volumes []string
	for _, v := range pod.Spec.Volumes {
		volumes = append(volumes, v.Name)
		if v.ConfigMap != nil && !slices.ContainsFunc(slices.Collect(maps.Values(c.configs)), func(m core.ConfigMap) bool { return m.Name == v.ConfigMap.Name }) {
			t.Errorf("the volume %s is of the config map %s, which is not there", v.Name, v.ConfigMap.Name)
		}
	}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		if !slices.Contains(volumes, m.Name) || m.SubPath != "" {
			t.Errorf("%s is mounted from %s, by itself %q", m.MountPath, m.Name, m.SubPath)
		}
	}
	if name := c.configs["gate451-policy"].Name; name != "gate451-policy" {
		t.Errorf("a new policy is the config map %s, and would replace the pods", name)
	}
	if name := c.configs["gate451-gateway"].Name; name == "gate451-gateway" {
		t.Error("a new gateway.yaml would reach no pod")
	}
}

// TestKubernetesPodsAreRestricted holds them against the restricted Pod Security standard, which the namespace enforces.
func TestKubernetesPodsAreRestricted(t *testing.T) {
	t.Parallel()
	c := kubernetes(t)
	if level := c.namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Errorf("the namespace enforces %q", level)
	}
	pod := c.deployment.Spec.Template.Spec
	own, of := pod.Containers[0].SecurityContext, pod.SecurityContext
	is := func(b *bool) bool { return b != nil && *b }
	switch {
	case !is(of.RunAsNonRoot) || of.RunAsUser == nil || *of.RunAsUser == 0:
		t.Error("it may run as root")
	case of.SeccompProfile == nil || of.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Error("it may make any system call")
	case own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation || own.Capabilities == nil || !slices.Equal(own.Capabilities.Drop, []core.Capability{"ALL"}) || len(own.Capabilities.Add) > 0:
		t.Error("it has privileges")
	case !is(own.ReadOnlyRootFilesystem):
		t.Error("it may write to its image")
	case pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken:
		t.Error("it reaches the host, or the cluster's API")
	}
	for _, v := range pod.Volumes {
		if v.ConfigMap == nil && v.Secret == nil && v.EmptyDir == nil {
			t.Errorf("the volume %s is of a kind that is not restricted", v.Name)
		}
	}
}

// TestKubernetesConfigurationIsGood has the program itself read it, as it would lie in a pod.
func TestKubernetesConfigurationIsGood(t *testing.T) {
	t.Parallel()
	c := kubernetes(t)
	root := t.TempDir()
	pod := c.deployment.Spec.Template.Spec
	text := strings.ReplaceAll(c.configs["gate451-gateway"].Data["gateway.yaml"], "/etc/gate451", root)
	text = strings.ReplaceAll(text, "/var/lib/gate451", filepath.Join(root, "state"))
	write(t, filepath.Join(root, "gateway", "gateway.yaml"), text)
	write(t, filepath.Join(root, "policy", "policy.yaml"), c.configs["gate451-policy"].Data["policy.yaml"])
	write(t, filepath.Join(root, "secret", "admin.token"), strings.Repeat("0123456789abcdef", 3))
	if out, err := exec.Command(buildProgram(t), "validate", "--config", filepath.Join(root, "gateway", "gateway.yaml")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	cfg, err := config.Load(filepath.Join(root, "gateway", "gateway.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	listens := map[string]string{"http": port(t, cfg.Listen), "admin": port(t, cfg.Admin.Listen)}
	for _, p := range pod.Containers[0].Ports {
		if listens[p.Name] != strconv.Itoa(int(p.ContainerPort)) {
			t.Errorf("the pod has %s at %d, and the gateway listens on %s", p.Name, p.ContainerPort, listens[p.Name])
		}
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < cfg.Shutdown.Delay+cfg.Shutdown.Timeout+10*time.Second {
		t.Errorf("the pod is killed after %v; requests may take %v", grace, cfg.Shutdown.Delay+cfg.Shutdown.Timeout)
	}
	for _, in := range []string{"/etc/gate451/gateway", "/etc/gate451/policy", "/etc/gate451/secret", "/var/lib/gate451"} {
		if !slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m core.VolumeMount) bool { return m.MountPath == in }) {
			t.Errorf("nothing is mounted at %s", in)
		}
	}
}

// TestKubernetesAlertsAreTheSame compares them with those of Prometheus by itself.
func TestKubernetesAlertsAreTheSame(t *testing.T) {
	t.Parallel()
	var file struct{ Groups []monitoring.RuleGroup }
	if err := strictly([]byte(read(t, "prometheus/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file.Groups, kubernetes(t).alerts.Spec.Groups); diff != "" {
		t.Errorf("monitoring.yaml is not alerts.yml (-want +got):\n%s", diff)
	}
}

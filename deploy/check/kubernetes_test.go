package check

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

// objects decodes every document of the folder, and of the example beside them: an unknown or misspelt field fails.
func objects(t *testing.T) []runtime.Object {
	t.Helper()
	return slices.Concat(decode(t, "*.yaml"), decode(t, "*.yaml.example"))
}

// decode decodes the documents of the files in deploy/kubernetes with such names.
func decode(t *testing.T, names string) (all []runtime.Object) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	paths, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes", names))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range regexp.MustCompile(`(?m)^---$`).Split(string(text), -1) {
			object, _, err := decoder.Decode([]byte(doc), nil, nil)
			if err != nil {
				t.Errorf("%s, document %d: %v", path, i+1, err)
				continue
			}
			all = append(all, object)
		}
	}
	return all
}

// find returns the one object of a type.
func find[T runtime.Object](t *testing.T, all []runtime.Object) (found T) {
	t.Helper()
	n := 0
	for _, object := range all {
		if one, ok := object.(T); ok {
			found = one
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d objects of type %T", n, found)
	}
	return found
}

func TestKubernetesManifests(t *testing.T) {
	all := objects(t)
	deployment := find[*apps.Deployment](t, all)
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	for name, probe := range map[string]*core.Probe{"/readyz": container.ReadinessProbe, "/healthz": container.LivenessProbe} {
		if probe.HTTPGet.Path != name || ports[probe.HTTPGet.Port.String()] != 9091 {
			t.Errorf("the probe of %s asks %s of %s", name, probe.HTTPGet.Path, probe.HTTPGet.Port.String())
		}
	}
	switch s := container.SecurityContext; {
	case !*pod.SecurityContext.RunAsNonRoot, !*s.ReadOnlyRootFilesystem, *s.AllowPrivilegeEscalation, s.Capabilities.Drop[0] != "ALL",
		pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Error("the container may do more than it needs")
	}
	for _, object := range decode(t, "*.y*ml") {
		if secret, ok := object.(*core.Secret); ok {
			t.Errorf("kubectl apply -f deploy/kubernetes/ would put the public token into %s", secret.Name)
		}
	}
	labels := deployment.Spec.Template.Labels
	for _, object := range all {
		switch o := object.(type) {
		case *core.Service:
			for key, value := range o.Spec.Selector {
				if labels[key] != value {
					t.Errorf("service %s selects %s=%s", o.Name, key, value)
				}
			}
			for _, port := range o.Spec.Ports {
				if ports[port.TargetPort.String()] == 0 {
					t.Errorf("service %s leads to port %s", o.Name, port.TargetPort.String())
				}
			}
		case *policy.PodDisruptionBudget:
			if o.Spec.Selector.MatchLabels["app.kubernetes.io/name"] != labels["app.kubernetes.io/name"] {
				t.Error("the budget is of others")
			}
		}
	}
}

// The service takes the configuration of the ConfigMap with the tokens of the Secret, and its end fits into the pod's.
func TestKubernetesConfiguration(t *testing.T) {
	all := objects(t)
	dir := t.TempDir()
	config := find[*core.ConfigMap](t, all).Data["config.yaml"]
	const mounted = "/etc/realtime-svc/secret/tokens.yaml"
	if !strings.Contains(config, mounted) {
		t.Fatal("the tokens are elsewhere")
	}
	for name, text := range map[string]string{
		"tokens.yaml": find[*core.Secret](t, all).StringData["tokens.yaml"],
		"config.yaml": strings.ReplaceAll(config, mounted, filepath.Join(dir, "tokens.yaml")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output(t, binary(t), "config", "check", "--config="+filepath.Join(dir, "config.yaml"))

	grace, err := time.ParseDuration(regexp.MustCompile(`grace-period: (\S+)`).FindStringSubmatch(config)[1])
	if err != nil {
		t.Fatal(err)
	}
	pod := find[*apps.Deployment](t, all).Spec.Template.Spec
	pause := time.Duration(pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if whole := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; pause+grace >= whole {
		t.Errorf("the pod is killed after %s, and the service may take %s and %s", whole, pause, grace)
	}
}

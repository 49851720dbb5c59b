package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// units copies the units, with the service's binary and configuration where they are here.
func units(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"realtime-svc.service", "realtime-svc.socket"} {
		text := strings.ReplaceAll(read(t, "deploy/systemd/"+name), "/usr/local/bin/realtime-svc", binary(t))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystemdUnits(t *testing.T) {
	dir := units(t)
	// It says nothing of units that are in order.
	if text := output(t, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, "realtime-svc.service"), filepath.Join(dir, "realtime-svc.socket")); strings.Contains(text, "realtime-svc") {
		t.Error(text)
	}
	unit := read(t, "deploy/systemd/realtime-svc.service")
	if !strings.Contains(unit, "Type=notify") || !strings.Contains(read(t, "deploy/systemd/realtime-svc.socket"), "FileDescriptorName=edge") {
		t.Error("the service would not be told of its socket, or not tell that it is ready")
	}
	stop, err := strconv.Atoi(regexp.MustCompile(`TimeoutStopSec=(\d+)`).FindStringSubmatch(unit)[1])
	if err != nil || stop <= 20 {
		t.Errorf("the service is killed after %d s, before its --grace-period is over", stop)
	}
}

// docs/deployment.md says how exposed the unit is.
func TestSystemdUnitIsHardened(t *testing.T) {
	text := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", filepath.Join(units(t), "realtime-svc.service"))
	score := regexp.MustCompile(`exposure level for .*: ([0-9.]+)`).FindStringSubmatch(text)
	if score == nil {
		t.Fatal(text)
	}
	exposure, err := strconv.ParseFloat(score[1], 64)
	if err != nil || exposure > 2 {
		t.Errorf("exposure level %s", score[1])
	}
	if !strings.Contains(read(t, "docs/deployment.md"), "says "+score[1]+" of 10") {
		t.Errorf("exposure level %s, and docs/deployment.md says another", score[1])
	}
}

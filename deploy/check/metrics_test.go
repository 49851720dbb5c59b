package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented is what docs/metrics.md has, which is made from the running service: each metric with its labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	known := map[string]string{}
	for line := range strings.Lines(read(t, "docs/metrics.md")) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			known[strings.Trim(cells[1], " `")] = cells[4]
		}
	}
	if len(known) < 50 {
		t.Fatalf("%d metrics", len(known))
	}
	return known
}

// ofEveryProcess are those of Go and of the system that the files use, and up, which is Prometheus' own.
var ofEveryProcess = map[string]string{
	"up": "", "process_open_fds": "", "process_max_fds": "", "process_cpu_seconds_total": "", "process_resident_memory_bytes": "",
	"go_memstats_heap_inuse_bytes": "", "go_gc_duration_seconds": "`quantile`", "go_goroutines": "",
}

var (
	selector = regexp.MustCompile(`\b((?:realtime|grpc|process|go)_[a-z_]+|up)\b(?:\{([^}]*)\})?`)
	label    = regexp.MustCompile(`([a-z_]+)\s*(?:=|!=|=~|!~)`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
)

// checkExpression fails for a metric or a label that the service does not have.
func checkExpression(t *testing.T, known map[string]string, expression string) {
	t.Helper()
	labels := ""
	found := false
	for _, match := range selector.FindAllStringSubmatch(grouping.ReplaceAllString(expression, ""), -1) {
		name := strings.TrimSuffix(match[1], "_bucket")
		have, ok := known[name]
		if !ok {
			have, ok = ofEveryProcess[name]
		}
		if !ok {
			t.Errorf("no metric %s: %s", match[1], expression)
			continue
		}
		found = true
		labels += have + "`le``instance``job`"
		for _, one := range label.FindAllStringSubmatch(match[2], -1) {
			if !strings.Contains(have+"`instance``job`", "`"+one[1]+"`") {
				t.Errorf("%s has no label %s: %s", name, one[1], expression)
			}
		}
	}
	if !found {
		t.Errorf("no metric in %s", expression)
	}
	for _, by := range grouping.FindAllStringSubmatch(expression, -1) {
		for name := range strings.SplitSeq(by[1], ",") {
			if name = strings.TrimSpace(name); !strings.Contains(labels, "`"+name+"`") {
				t.Errorf("nothing has a label %s: %s", name, expression)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	known := documented(t)
	rules := filepath.Join(root, "deploy/prometheus")
	output(t, "promtool", "check", "rules", filepath.Join(rules, "alerts.yaml"))
	output(t, "promtool", "test", "rules", filepath.Join(rules, "alerts_test.yaml"))
	expressions := regexp.MustCompile(`(?m)^\s+expr: (.*)$`).FindAllStringSubmatch(read(t, "deploy/prometheus/alerts.yaml"), -1)
	if len(expressions) < 10 {
		t.Fatalf("%d alerts", len(expressions))
	}
	for _, one := range expressions {
		checkExpression(t, known, one[1])
	}
	// promtool passes rules whose sides never match: only a case that fires shows that one can.
	for _, name := range regexp.MustCompile(`(?m)- alert: (\S+)$`).FindAllStringSubmatch(read(t, "deploy/prometheus/alerts.yaml"), -1) {
		if !regexp.MustCompile(`alertname: ` + name[1] + `\n\s+exp_alerts:`).MatchString(read(t, "deploy/prometheus/alerts_test.yaml")) {
			t.Errorf("no test has %s fire", name[1])
		}
	}
}

func TestDashboard(t *testing.T) {
	known := documented(t)
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	// Every expression is one that Prometheus takes, with what Grafana puts in the place of its variables.
	rules := "groups: [{name: dashboard, rules: [\n"
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %d, %q", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			checkExpression(t, known, target.Expr)
			text, _ := json.Marshal(strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr))
			rules += "{record: x, expr: " + string(text) + "},\n"
		}
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, "promtool", "check", "rules", "--lint=none", path)
}

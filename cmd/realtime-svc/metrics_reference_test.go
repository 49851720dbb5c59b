package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/service/feed"
)

func TestMetricsAreUpToDate(t *testing.T) {
	p := start(t, func(c *Config) {
		c.TraceEndpoint = "127.0.0.1:1"
		c.JWTSecret = secretFile(t)
	})
	defer stopped(t, p)
	m, _, err := p.feed.Join("orders", feed.Filter{}, feed.MemberConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(false)
	_, exposition := fetch(t, p.Addrs().Admin, "/metrics")
	compare(t, "../../docs/metrics.md", metricsReference(scrape(exposition)))
}

// family is a metric with all that a scrape tells of it.
type family struct {
	name, kind, help string
	labels           map[string]map[string]bool // their values
}

var (
	sampleLine = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	ofFamily   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// scrape reads Prometheus' text form; the order is that of the names.
func scrape(exposition string) []*family {
	byName := map[string]*family{}
	of := func(name string) *family {
		if byName[name] == nil {
			byName[name] = &family{name: name, labels: map[string]map[string]bool{}}
		}
		return byName[name]
	}
	for line := range strings.Lines(exposition) {
		line = strings.TrimSpace(line)
		words := strings.SplitN(line, " ", 4)
		switch {
		case words[0] == "#" && words[1] == "HELP":
			of(words[2]).help = words[3]
		case words[0] == "#" && words[1] == "TYPE":
			of(words[2]).kind = words[3]
		default:
			of(familyOf(line, byName)).sample(line)
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *family) int { return strings.Compare(a.name, b.name) })
}

// familyOf is the name of the metric that a sample belongs to: histograms have several kinds of samples.
func familyOf(line string, known map[string]*family) string {
	name := sampleLine.FindStringSubmatch(line)[1]
	if base := ofFamily.ReplaceAllString(name, ""); known[base] != nil {
		return base
	}
	return name
}

func (f *family) sample(line string) {
	for _, pair := range labelPair.FindAllStringSubmatch(sampleLine.FindStringSubmatch(line)[2], -1) {
		if f.labels[pair[1]] == nil {
			f.labels[pair[1]] = map[string]bool{}
		}
		f.labels[pair[1]][pair[2]] = true
	}
}

// openLabels are those whose values are not the code's but the configuration's or the build's, or gRPC's.
var openLabels = map[string]string{
	"group":     "as services name theirs",
	"namespace": "as `--namespaces` and `--namespace-patterns` have them", "node": "`--node-id`", "le": "",
	"version": "of this build", "commit": "of this build", "go_version": "of this build", "client_version": "of this build",
	"grpc_service": "", "grpc_method": "", "grpc_type": "unary, client_stream, server_stream or bidi_stream", "grpc_code": "such as OK",
}

// describe is the label with its values, if they are a closed set.
func (f *family) describe(label string) string {
	values, open := openLabels[label]
	if !open {
		values = strings.Join(slices.Sorted(maps.Keys(f.labels[label])), ", ")
	}
	if values == "" {
		return "`" + label + "`"
	}
	return "`" + label + "`: " + values
}

// metricsReference is the text of docs/metrics.md.
func metricsReference(families []*family) string {
	var b strings.Builder
	b.WriteString("# Metrics\n\n<!-- Generated from a running service by make generate; do not edit. -->\n\n" +
		"What `/metrics` on `--admin-listen` tells, beside `go_…` and `process_…`, which every Go process has. Labels come from closed sets:\n" +
		"nothing that a client chooses makes a new series, and what services choose, the names of groups, is bounded by `--max-groups`. Counters begin at zero with the process. What the log says of the\n" +
		"same things is in [observability.md](observability.md).\n")
	for _, part := range []struct{ prefix, title string }{{"realtime_", "The service"}, {"grpc_", "gRPC calls"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | what | labels |\n|---|---|---|---|\n", part.title)
		for _, f := range families {
			if !strings.HasPrefix(f.name, part.prefix) {
				continue
			}
			var labels []string
			for _, label := range slices.Sorted(maps.Keys(f.labels)) {
				labels = append(labels, f.describe(label))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, f.help, strings.Join(labels, "; "))
		}
	}
	return b.String()
}

// secretFile holds a secret that is long enough.
func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

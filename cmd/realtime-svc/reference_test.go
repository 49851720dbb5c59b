package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

func TestReferenceIsUpToDate(t *testing.T) { compare(t, "../../docs/configuration.md", reference()) }

// --help is what a person reads first: a change of it should be seen.
func TestHelpIsUpToDate(t *testing.T) {
	var out bytes.Buffer
	if _, done, err := (sources{[]string{"--help"}, nil, &out}).read(); !done || err != nil {
		t.Fatal(done, err)
	}
	compare(t, "testdata/help.txt", out.String())
}

// compare fails when the file does not hold want; under -update it writes it.
func compare(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is out of date; run make generate:\n%s", path, diff)
	}
}

// reference is the text of docs/configuration.md.
func reference() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n<!-- Generated from the Config struct by make generate; do not edit. -->\n\n" +
		"Every setting is a flag, an environment variable or a key of the YAML file that `--config` names. A flag wins over the\n" +
		"environment, the environment over the file, the file over the default. A setting that does not exist is refused, wherever it\n" +
		"stands; only the variables that Kubernetes makes for a Service called `realtime…` are passed over. A list is written with commas, or\n" +
		"as a list in the file. Sizes are bytes, or have a unit: `64KiB`, `4MiB`, `4MB`, `1GiB`. Durations have units: `500ms`, `25s`, `2m`.\n\n" +
		"```yaml\nlisten: \":8080\"\nnamespaces: [/, /chat]\nping-interval: 10s\n```\n")
	all := settings(&Config{})
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n", g.title)
		for _, s := range all {
			if s.group == g.key {
				s.describe(&b)
			}
		}
	}
	return b.String()
}

// describe writes one setting's entry.
func (s setting) describe(b *strings.Builder) {
	code := func(text string) string { return "`" + text + "`" }
	fmt.Fprintf(b, "\n### `--%s`\n\n%s\n\n%s. Environment: `%s`.\n", s.name, s.help, s.limits(code), envName(s.name))
}

package main

import (
	"fmt"
	"io"
	"strings"
)

//go:generate go test -run ^TestReferenceIsUpToDate$ -update .

// writeReference writes docs/configuration.md.
func writeReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Configuration\n\n<!-- Generated from the Config struct by make generate; do not edit. -->\n\n" +
		"Every setting is a flag, an environment variable or a key of the YAML file that `--config` names. A flag wins over the\n" +
		"environment, the environment over the file, the file over the default. A setting that does not exist is refused, wherever it stands.\n" +
		"A list is written with commas, or as a list in the file. Sizes are bytes, or have a unit: `64KiB`, `4MiB`, `1GiB`. Durations have\n" +
		"units: `500ms`, `25s`, `2m`.\n\n" +
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
	_, err := io.WriteString(w, b.String())
	return err
}

// describe writes one setting's entry.
func (s setting) describe(b *strings.Builder) {
	code := func(text string) string { return "`" + text + "`" }
	fmt.Fprintf(b, "\n### `--%s`\n\n%s\n\n%s. Environment: `%s`.\n", s.name, s.help, s.limits(code), envName(s.name))
}

// limits says the default and what else is accepted; quote marks what is to be typed.
func (s setting) limits(quote func(string) string) string {
	text := "Default empty"
	if s.initial != "" {
		text = "Default " + quote(s.initial)
	}
	if s.oneof != nil {
		var words []string
		for _, w := range s.oneof {
			words = append(words, quote(w))
		}
		text += "; any of " + strings.Join(words, ", ")
	}
	if s.min != "" {
		text += "; from " + quote(s.min) + " to " + quote(s.max)
	}
	return text
}

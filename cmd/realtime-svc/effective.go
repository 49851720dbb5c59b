package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// print writes every setting as a configuration file that says the same, and where each value comes from. What a URL has of a password is
// left out.
func (r *resolver) print(w io.Writer, parsed *kong.Context, cfg *Config) error {
	onLine := map[string]bool{}
	for _, path := range parsed.Path {
		if path.Flag != nil && !path.Resolved {
			onLine[path.Flag.Name] = true
		}
	}
	chapter := ""
	for _, s := range settings(cfg) {
		if s.group != chapter {
			chapter = s.group
			if _, err := fmt.Fprintf(w, "# %s\n", titleOf(chapter)); err != nil {
				return err
			}
		}
		text, err := yaml.MarshalWithOptions(written(s), yaml.Flow(true))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s: %s # %s\n", s.name, strings.TrimSpace(string(text)), r.originOf(s.name, onLine)); err != nil {
			return err
		}
	}
	return nil
}

func titleOf(key string) string {
	for _, g := range groups {
		if g.key == key {
			return g.title
		}
	}
	return key
}

// originOf says where a value comes from, in the order of precedence (C2).
func (r *resolver) originOf(name string, onLine map[string]bool) string {
	if onLine[name] {
		return "--" + name
	}
	if value, ok := r.env[name]; ok {
		return value.origin
	}
	if value, ok := r.file[name]; ok {
		return strings.TrimSuffix(strings.TrimPrefix(value.origin, "--config: "), ":")
	}
	return "default"
}

// written is a value as it is written in a file.
func written(s setting) any {
	switch value := s.value.Interface().(type) {
	case bool, int:
		return value
	case []string:
		return value
	case string:
		if address, err := url.Parse(value); err == nil && address.User != nil {
			return address.Redacted()
		}
		return value
	case fmt.Stringer: // durations, sizes
		return value.String()
	}
	texts := []string{}
	for i := range s.value.Len() { // prefixes
		texts = append(texts, fmt.Sprint(s.value.Index(i).Interface()))
	}
	return texts
}

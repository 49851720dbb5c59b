package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Validate reports everything that is wrong with c at once; each problem names its setting.
func (c *Config) Validate() error {
	var errs []error
	for _, s := range settings(c) {
		if err := s.check(); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", s.name, err))
		}
	}
	problem := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("--"+name+": "+format, args...))
	}
	for name, address := range map[string]string{"listen": c.Listen, "grpc-listen": c.GRPCListen, "admin-listen": c.AdminListen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			problem(name, "%q is not HOST:PORT", address)
		}
	}
	if len(c.Path) < 2 || !strings.HasPrefix(c.Path, "/") || !strings.HasSuffix(c.Path, "/") || strings.ContainsAny(c.Path, "%?# ") {
		problem("path", "%q must begin and end with a slash and have no escapes", c.Path)
	}
	if len(c.Namespaces) == 0 {
		problem("namespaces", "at least one is needed")
	}
	if len(c.Transports) == 0 {
		problem("transports", "at least one is needed")
	}
	for _, name := range c.KeepHeaders {
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " :\t") {
			problem("keep-headers", "%q is not a header name in lower case", name)
		}
	}
	if c.WebRoot != "" {
		if info, err := os.Stat(c.WebRoot); err != nil || !info.IsDir() {
			problem("web-root", "%q is not a folder", c.WebRoot)
		}
	}
	if len(c.NodeID) > maxNodeID {
		problem("node-id", "longer than %d bytes", maxNodeID)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// maxNodeID is what package service takes: tokens carry it.
const maxNodeID = 64

// check holds the setting's value against its tags.
func (s setting) check() error {
	switch v := s.value.Interface().(type) {
	case time.Duration:
		return within(v, s, time.ParseDuration)
	case ByteSize:
		return within(v, s, func(text string) (n ByteSize, err error) { return n, n.UnmarshalText([]byte(text)) })
	case int:
		return within(v, s, func(text string) (n int, err error) { _, err = fmt.Sscan(text, &n); return n, err })
	case string:
		return s.among(v)
	case []string:
		seen := make(map[string]bool)
		for _, one := range v {
			if seen[one] {
				return fmt.Errorf("%q is named twice", one)
			}
			seen[one] = true
			if err := s.among(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// within compares v with the bounds, which are written as values are.
func within[T int | ByteSize | time.Duration](v T, s setting, parse func(string) (T, error)) error {
	for _, bound := range []struct {
		text, word string
		broken     func(limit T) bool
	}{
		{s.min, "at least", func(limit T) bool { return v < limit }},
		{s.max, "at most", func(limit T) bool { return v > limit }},
	} {
		if bound.text == "" {
			continue
		}
		limit, err := parse(bound.text)
		if err != nil {
			panic(fmt.Sprintf("bound of %s: %v", s.name, err)) // a tag of Config is wrong: every test would show it
		}
		if bound.broken(limit) {
			return fmt.Errorf("%v must be %s %s", v, bound.word, bound.text)
		}
	}
	return nil
}

func (s setting) among(v string) error {
	if s.oneof == nil || slices.Contains(s.oneof, v) {
		return nil
	}
	return fmt.Errorf("%q must be one of %s", v, strings.Join(s.oneof, ", "))
}

package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// readFile takes the settings out of a YAML file: one mapping from names to scalars or lists of scalars. Everything
// that is wrong is collected with its line. An empty path names no file.
func (r *resolver) readFile(path string) {
	if path == "" {
		return
	}
	wrong := func(format string, args ...any) {
		r.problems = append(r.problems, fmt.Errorf("--config: "+format, args...))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		wrong("%w", err)
		return
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		wrong("%s: %w", path, err)
		return
	}
	r.file = make(map[string]given)
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue // empty, or comments only
		}
		entries, ok := mapping(doc.Body)
		if !ok {
			wrong("%s: not a mapping of settings", path)
		}
		for _, entry := range entries {
			origin := fmt.Sprintf("%s:%d", path, entry.Key.GetToken().Position.Line)
			name, value, err := r.fileEntry(entry)
			if err != nil {
				wrong("%s: %w", origin, err)
				continue
			}
			r.file[name] = given{value, origin}
		}
	}
}

// mapping returns the entries of a node that is a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// fileEntry translates one entry of the file into a setting's name and text.
func (r *resolver) fileEntry(entry *ast.MappingValueNode) (name, value string, err error) {
	name = entry.Key.GetToken().Value
	if !slices.ContainsFunc(settings(&Config{}), func(s setting) bool { return s.name == name }) {
		return "", "", fmt.Errorf("no such setting: %s", name)
	}
	if _, twice := r.file[name]; twice {
		return "", "", fmt.Errorf("%s is set twice", name)
	}
	var ok bool
	if list, isList := entry.Value.(*ast.SequenceNode); isList {
		value, ok = scalars(list.Values)
	} else {
		value, ok = scalar(entry.Value)
	}
	if !ok {
		return "", "", fmt.Errorf("%s: neither a plain value nor a list of them", name)
	}
	return name, value, nil
}

// scalars returns a list as a flag takes it.
func scalars(list []ast.Node) (string, bool) {
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := scalar(item)
		if !ok {
			return "", false
		}
		texts = append(texts, text)
	}
	return kong.JoinEscaped(texts, ','), true
}

// scalar returns a value as it is written, so that 1e3 and 010 mean what they mean to a flag.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// commandLine is what kong parses: a command, and for serve the settings.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Run the service. This is what happens without a command, too."`
	Version versionCommand `cmd:"" help:"Print the version and end."`
}

type serveCommand struct {
	ConfigFile string `name:"config" placeholder:"FILE" help:"YAML file with settings: a key is a flag's name without the dashes."`
	Config     Config `embed:""`
}

// Help implements kong.HelpProvider.
func (serveCommand) Help() string {
	return "Every setting is a flag, an environment variable (" + envPrefix + "LISTEN for --listen) or a key of the --config " +
		"file (listen), in this order of precedence.\n\nThe other command is version."
}

type versionCommand struct{}

// sources is where a configuration comes from.
type sources struct {
	args    []string
	environ []string // KEY=VALUE
	stdout  io.Writer
}

// read returns the command that args name and, for serve, its checked configuration. done is true when all that was
// asked for has been printed. An error says everything that is wrong, a line each.
func (src sources) read() (command string, cfg Config, done bool, err error) {
	var line commandLine
	env, err := src.environment()
	if err != nil {
		return "", cfg, false, err
	}
	file := &fileResolver{}
	exited := false
	k, err := kong.New(&line,
		kong.Name("realtime-svc"),
		kong.Description("Socket.IO for browsers, gRPC for services."),
		kong.Writers(src.stdout, io.Discard),
		kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ValueFormatter(helpOf),
		kong.ExplicitGroups(kongGroups()),
		// The last that knows a value wins: the environment over the file. Flags win over both.
		kong.Resolvers(file, envResolver(env)),
	)
	if err != nil {
		panic(err) // a tag of Config is wrong: every test would show it
	}
	if path := configFile(src.args, env); path != "" {
		if file.values, err = readFile(path); err != nil {
			return "", cfg, false, err
		}
	}
	args := src.args
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		args = []string{"serve", "--help"} // who asks for help wants to see the settings
	}
	parsed, err := k.Parse(args)
	switch {
	case exited: // --help
		return "", cfg, true, nil
	case err != nil: // Config.Validate's as well: kong calls it, and says where
		return "", cfg, false, errors.New(strings.TrimPrefix(err.Error(), "serve: "))
	}
	command, _, _ = strings.Cut(parsed.Command(), " ")
	return command, line.Serve.Config, false, nil
}

// helpOf is a flag's help with what its tags say besides.
func helpOf(value *kong.Value) string {
	for _, s := range settings(&Config{}) {
		if s.name == value.Name && !value.IsBool() {
			return s.help + " " + s.limits(func(text string) string { return text }) + "."
		}
	}
	return value.OrigHelp
}

func kongGroups() []kong.Group {
	var list []kong.Group
	for _, g := range groups {
		list = append(list, kong.Group{Key: g.key, Title: g.title + ":"})
	}
	return list
}

// environment returns the settings that the environment has, by flag name. A variable with our prefix that is no
// setting is a mistake that would otherwise pass unseen.
func (src sources) environment() (map[string]string, error) {
	known := map[string]string{envName("config"): "config"}
	for _, s := range settings(&Config{}) {
		known[envName(s.name)] = s.name
	}
	env := make(map[string]string)
	var unknown []string
	for _, entry := range src.environ {
		key, value, _ := strings.Cut(entry, "=")
		name, ok := known[key]
		switch {
		case ok:
			env[name] = value
		case strings.HasPrefix(key, envPrefix) && !strings.HasPrefix(key, envPrefix+"TEST_"):
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("no such setting: %s", strings.Join(unknown, ", "))
	}
	return env, nil
}

// configFile finds --config before kong parses, as the file must be known to resolve the rest.
func configFile(args []string, env map[string]string) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			return value
		}
		if arg == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return env["config"]
}

// envResolver gives kong the values of the environment, by flag name.
type envResolver map[string]string

// Validate implements kong.Resolver.
func (envResolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (r envResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := r[flag.Name]; ok {
		return value, nil
	}
	return nil, nil //nolint:nilnil // kong's way to say "not here"
}

// fileResolver gives kong the values of the file.
type fileResolver struct{ values map[string]string }

// Validate implements kong.Resolver.
func (*fileResolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (r *fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := r.values[flag.Name]; ok {
		return value, nil
	}
	return nil, nil //nolint:nilnil // kong's way to say "not here"
}

// readFile reads settings from a YAML file: one mapping from names to scalars or lists of scalars. All mistakes are
// reported at once, each with its line.
func readFile(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	tree, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	values := make(map[string]string)
	var errs []error
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue // empty, or comments only
		}
		entries, ok := mapping(doc.Body)
		if !ok {
			return nil, fmt.Errorf("--config: %s: not a mapping of settings", path)
		}
		for _, entry := range entries {
			name, value, err := fileEntry(entry, values)
			if err != nil {
				errs = append(errs, fmt.Errorf("--config: %s:%d: %w", path, entry.Key.GetToken().Position.Line, err))
				continue
			}
			values[name] = value
		}
	}
	return values, errors.Join(errs...)
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

// fileEntry translates one line of the file into a flag's name and text.
func fileEntry(entry *ast.MappingValueNode, earlier map[string]string) (name, value string, err error) {
	name = entry.Key.GetToken().Value
	known := slices.ContainsFunc(settings(&Config{}), func(s setting) bool { return s.name == name })
	_, twice := earlier[name]
	switch {
	case !known:
		return "", "", fmt.Errorf("no such setting: %s", name)
	case twice:
		return "", "", fmt.Errorf("%s is set twice", name)
	}
	if list, ok := entry.Value.(*ast.SequenceNode); ok {
		var items []string
		for _, item := range list.Values {
			text, ok := scalar(item)
			if !ok {
				return "", "", fmt.Errorf("%s: an item of the list is not a plain value", name)
			}
			items = append(items, text)
		}
		return name, strings.Join(items, ","), nil
	}
	text, ok := scalar(entry.Value)
	if !ok {
		return "", "", fmt.Errorf("%s: not a plain value", name)
	}
	return name, text, nil
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

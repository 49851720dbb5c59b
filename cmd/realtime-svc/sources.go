package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/realtime-svc/realtime-svc/cmd/realtime-svc/cli"
)

// commandLine is what kong parses: the settings, which stand before or after the command, and the command.
type commandLine struct {
	File        string           `name:"config" placeholder:"FILE" help:"YAML file with settings: a key is a flag's name without the dashes."`
	VersionFlag kong.VersionFlag `name:"version" help:"Print the version and end."`
	Settings    flags            `embed:""`

	Serve  struct{} `cmd:"" default:"1" help:"Run the service. This is what happens without a command, too."`
	Config struct {
		Print struct{} `cmd:"" help:"Print every setting and where its value comes from, as a configuration file."`
		Check struct{} `cmd:"" help:"Say what is wrong with the settings and the files that they name, and end."`
	} `cmd:"" help:"Print or check the settings."`
	Version struct {
		JSON bool `name:"json" help:"Print JSON."`
	} `cmd:"" help:"Print the version and end."`

	// The commands of package cli, which parses them itself: they are here for --help.
	Client clientCommands `embed:""`
}

// clientCommands are those that talk to a running service.
type clientCommands struct {
	Emit       struct{} `cmd:"" help:"Emit an event to clients of a running service."`
	Request    struct{} `cmd:"" help:"Ask clients, and print their answers as they come."`
	Rooms      struct{} `cmd:"" help:"List the rooms of a namespace with their sizes."`
	Sockets    struct{} `cmd:"" help:"List, count, join, leave and disconnect sockets."`
	Watch      struct{} `cmd:"" help:"Print what happens, as it happens, until you end it."`
	Drain      struct{} `cmd:"" help:"Take the node out of service: send its clients on to others."`
	Token      struct{} `cmd:"" help:"Make a token (JWT) for clients, signed with a secret, for development."`
	Completion struct{} `cmd:"" help:"Print a script that completes commands and flags in a shell."`
}

// flags is a [Config] without its methods: kong would call Validate, and stop at the first thing that is wrong.
type flags Config

const description = `Socket.IO for browsers, gRPC for services.

Every setting is a flag, an environment variable (` + envPrefix + `LISTEN for --listen) or a key of the --config file (listen), in this order of precedence.`

// sources is where a configuration comes from.
type sources struct {
	args    []string
	environ []string  // KEY=VALUE
	stdout  io.Writer // gets what --help and --version print
}

// read returns the checked configuration. done is true when all that was asked for has been printed. An error says
// everything that is wrong, a line each; only a flag that cannot be parsed hides the rest.
func (src sources) read() (cfg Config, done bool, err error) {
	cfg, command, err := src.parse()
	return cfg, command == commandDone, err
}

// What is to be done with a configuration.
const (
	commandDone  = "" // nothing: all that was asked for has been printed
	commandServe = "serve"
	commandCheck = "config check"
)

// parse is read with the command.
func (src sources) parse() (cfg Config, command string, err error) {
	var line commandLine
	done := false
	values := resolver{}
	k, err := kong.New(&line,
		kong.Name("realtime-svc"),
		kong.Description(description),
		kong.Vars{"version": versionLine()},
		kong.Writers(src.stdout, io.Discard),
		kong.Exit(func(int) { done = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ValueFormatter(helpOf),
		kong.ExplicitGroups(kongGroups()),
		kong.Resolvers(&values),
	)
	if err != nil {
		panic(err) // a tag of Config is wrong: every test shows it
	}
	showWords(k.Model.Flags)
	values.readEnvironment(src.environ)
	args := src.args
	if len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	parsed, err := k.Parse(args)
	switch {
	case done: // --help or --version; what else is wrong does not matter
		return cfg, commandDone, nil
	case err != nil:
		return cfg, commandServe, err
	case parsed.Command() == "version":
		return cfg, commandDone, printVersion(src.stdout, line.Version.JSON)
	}
	if command = parsed.Command(); cli.Is(strings.Fields(command)[0]) {
		return cfg, commandServe, fmt.Errorf("%s must stand before its flags, and takes no setting of the service", command)
	}
	cfg = Config(line.Settings)
	err = errors.Join(append(values.problems, cfg.Validate())...)
	if err == nil && command == "config print" {
		return cfg, commandDone, values.print(src.stdout, parsed, &cfg)
	}
	return cfg, command, err
}

// helpOf is a flag's help with what its tags say besides.
func helpOf(value *kong.Value) string {
	for _, s := range settings(&Config{}) {
		if s.name == value.Name {
			return s.help + " " + s.limits(func(text string) string { return text }) + "."
		}
	}
	return value.OrigHelp
}

// showWords lets --help write the words that a flag takes as its value.
func showWords(all []*kong.Flag) {
	for _, s := range settings(&Config{}) {
		for _, f := range all {
			if f.Name == s.name && s.oneof != nil && !f.IsSlice() {
				f.PlaceHolder = strings.Join(s.oneof, "|")
			}
		}
	}
}

func kongGroups() []kong.Group {
	list := make([]kong.Group, 0, len(groups))
	for _, g := range groups {
		list = append(list, kong.Group{Key: g.key, Title: g.title + ":"})
	}
	return list
}

// given is the text of a setting's value and where it was found.
type given struct{ text, origin string }

// resolver gives kong what the environment and the file say about flags that are not on the command line (C2), and
// collects what is wrong with them.
type resolver struct {
	env, file map[string]given // by the flag's name
	fileRead  bool
	problems  []error
}

// Validate implements kong.Resolver.
func (*resolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. It tries what it finds, so that a problem names its place and hides no other.
func (r *resolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !r.fileRead { // only now does kong know what --config says
		r.fileRead = true
		r.readFile(r.filePath(ctx))
	}
	value, ok := r.env[flag.Name]
	if !ok {
		value, ok = r.file[flag.Name]
	}
	if !ok {
		return nil, nil //nolint:nilnil // kong's way to say "not here"
	}
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value.text, kong.FlagValueToken), trial); err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s: %w", value.origin, err))
		return nil, nil //nolint:nilnil // it is reported; the default stands in for the checks that follow
	}
	return value.text, nil
}

// filePath is what --config says, or its variable.
func (r *resolver) filePath(ctx *kong.Context) string {
	for _, f := range ctx.Flags() {
		if path, ok := ctx.FlagValue(f).(string); ok && f.Name == "config" && path != "" {
			return path
		}
	}
	return r.env["config"].text
}

// serviceLink matches the variables with which Kubernetes tells every container of a Service: one that is called
// "realtime" or "realtime-svc" makes names that begin as ours do.
var serviceLink = regexp.MustCompile(`(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// readEnvironment takes the settings out of an environment. A variable with our prefix that is no setting is refused:
// it is a mistake that would pass unseen.
func (r *resolver) readEnvironment(environ []string) {
	known := map[string]string{envName("config"): "config"}
	ofCommands := cli.Variables() // whoever has them for the other commands may start the service, too
	for _, s := range settings(&Config{}) {
		known[envName(s.name)] = s.name
	}
	r.env = make(map[string]given)
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		key, value, _ := strings.Cut(entry, "=")
		name, ok := known[key]
		switch {
		case ok:
			r.env[name] = given{value, key}
		case strings.HasPrefix(key, envPrefix) && !serviceLink.MatchString(key) && !slices.Contains(ofCommands, key):
			r.problems = append(r.problems, fmt.Errorf("%s: no such setting", key))
		}
	}
}

// Package cli is the commands of realtime-svc that talk to a running service over gRPC, for people and for scripts: who is connected, what
// happens, emit, ask. Running the service itself is none of them.
//
// # Output
//
// Tables and sentences for people on standard output, colours on a terminal only and not with NO_COLOR; with --json the response of each method
// as JSON, one line for each message, and nothing else. What went wrong goes to standard error.
//
// # Exit codes
//
//   - 0 it was done;
//   - 1 the service refused it, it failed, or nobody answered a question;
//   - 2 the command line is wrong;
//   - 3 the service cannot be reached.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// Surroundings are what a command finds around it.
type Surroundings struct {
	Stdout, Stderr io.Writer
	// Environ holds variables as KEY=VALUE.
	Environ []string
	// Terminal says that Stdout is one.
	Terminal bool
}

// grammar is what kong parses.
type grammar struct {
	connection `embed:"" group:"Connection:"`
	JSON       bool `name:"json" help:"Print JSON, a line for each message." group:"Output:"`
	NoColor    bool `name:"no-color" help:"Print no colours." group:"Output:"`

	Emit    emitCommand    `cmd:"" help:"Emit an event to clients."`
	Request requestCommand `cmd:"" help:"Ask clients, and print their answers as they come."`
	Rooms   roomsCommand   `cmd:"" help:"List the rooms of a namespace with their sizes."`
	Sockets socketsCommand `cmd:"" help:"List, count, join, leave and disconnect sockets."`
	Watch   watchCommand   `cmd:"" help:"Print what happens, as it happens, until you end it."`
	Drain   drainCommand   `cmd:"" help:"Take the node out of service: send its clients on to others."`
	Token   tokenCommand   `cmd:"" help:"Make a token (JWT) for clients, signed with a secret, for development."`

	Completion completionCommand `cmd:"" help:"Print a script that completes commands and flags in a shell."`
}

// model is what kong makes of grammar.
var model = sync.OnceValue(func() *kong.Application { return kong.Must(&grammar{}).Model })

// Is reports whether name is a command of this package.
func Is(name string) bool {
	return slices.ContainsFunc(model().Children, func(node *kong.Node) bool { return node.Name == name })
}

// Commands lists the commands and what they do.
func Commands() (list [][2]string) {
	for _, node := range model().Children {
		list = append(list, [2]string{node.Name, node.Help})
	}
	return list
}

// Variables lists the environment variables that the commands read.
func Variables() (list []string) {
	for _, f := range model().Flags {
		list = append(list, f.Envs...)
	}
	return list
}

// Run runs a command until it is done or ctx ends, and returns the exit code.
func Run(ctx context.Context, args []string, around Surroundings) int {
	var g grammar
	ended := -1
	k, err := kong.New(&g,
		kong.Name("realtime-svc"),
		kong.Writers(around.Stdout, around.Stderr),
		kong.Exit(func(code int) { ended = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true}),
		kong.Resolvers(environment(around.Environ)),
	)
	if err != nil {
		panic(err) // a tag is wrong: every test shows it
	}
	parsed, err := k.Parse(args)
	if ended >= 0 { // --help
		return exitOK
	}
	if err != nil {
		return complain(around.Stderr, &usageError{err})
	}
	_, noColor := lookup(around.Environ, "NO_COLOR")
	out := &printer{w: around.Stdout, json: g.JSON, color: around.Terminal && !g.NoColor && !noColor}
	if err := parsed.Run(&call{ctx: ctx, connection: &g.connection, out: out, model: k.Model}); err != nil {
		return complain(around.Stderr, err)
	}
	return exitOK
}

// environment resolves flags that are not given from variables, of a given environment instead of the process's.
func environment(environ []string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if value, ok := lookup(environ, name); ok {
				return value, nil
			}
		}
		return nil, nil //nolint:nilnil // kong's way to say "not here"
	})
}

func lookup(environ []string, name string) (string, bool) {
	for _, entry := range environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// call is one run of a command.
type call struct {
	ctx        context.Context
	connection *connection
	out        *printer
	model      *kong.Application
}

// with connects, and does something within --timeout; limit is false for what goes on for as long as it wants.
func (c *call) with(limit bool, do func(ctx context.Context, conn *grpc.ClientConn) error) error {
	conn, err := c.connection.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := c.ctx, func() {}
	if limit {
		ctx, cancel = context.WithTimeout(ctx, c.connection.Timeout)
	}
	defer cancel()
	return do(ctx, conn)
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errNobody says that a question was answered by nobody.
var errNobody = errors.New("nobody answered")

// complain says what went wrong and returns the exit code.
func complain(w io.Writer, err error) int {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, "realtime-svc: "+format+"\n", args...) }
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		say("%s", err)
		return exitUsage
	}
	var sent interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &sent) {
		say("%s", err)
		return exitFailed
	}
	st := sent.GRPCStatus()
	say("%s: %s", st.Code(), st.Message())
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				say("  %s: %s", v.GetField(), v.GetDescription())
			}
		case *errdetails.ErrorInfo:
			say("  reason: %s", d.GetReason())
		case *errdetails.RetryInfo:
			say("  worth another try after %s", d.GetRetryDelay().AsDuration().Round(time.Millisecond))
		}
	}
	if st.Code() == codes.Unavailable {
		return exitUnreachable
	}
	return exitFailed
}

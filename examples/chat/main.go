package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// callTimeout bounds every unary call, so that a service which hangs is noticed.
const callTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run is the program: it returns its exit code once ctx is done, or at once if it cannot begin.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(stderr)
	address := flags.String("grpc", "127.0.0.1:9090", "`address` of realtime-svc's gRPC listener")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "chat: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))

	conn, err := dial(*address)
	if err != nil {
		logger.Error("cannot use this address", "grpc", *address, "error", err)
		return 1
	}
	defer func() { _ = conn.Close() }()

	logger.Info("chat backend started, waiting for realtime-svc", "grpc", *address)
	if err := newBackend(conn, logger).run(ctx); err != nil {
		logger.Error("chat backend failed", "error", err)
		return 1
	}
	logger.Info("chat backend stopped")
	return 0
}

// dial prepares a connection; it is made, and made again after a break, in the background.
func dial(address string, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: callTimeout}),
		grpc.WithUnaryInterceptor(withCallTimeout),
	}
	return grpc.NewClient(address, append(options, more...)...)
}

func withCallTimeout(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return invoke(ctx, method, req, reply, cc, opts...)
}

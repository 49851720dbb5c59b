package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// log is a slog.Handler's output that tests may read while the server writes it.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// plane is a control plane that does next to nothing.
type plane struct {
	realtimev1.UnimplementedEmitServiceServer
	realtimev1.UnimplementedEventServiceServer
	callers chan string // capacity 64: who has made an Emit
}

func (p *plane) Emit(ctx context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	p.callers <- FromContext(ctx).Name()
	return &realtimev1.EmitResponse{}, statusOf(CheckNamespace(ctx, r.GetTarget().GetNamespace()))
}

// EmitStream reads and answers.
func (p *plane) EmitStream(stream realtimev1.EmitService_EmitStreamServer) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := stream.Send(&realtimev1.EmitStreamResponse{Id: r.GetId()}); err != nil {
			return err
		}
	}
}

// Watch waits for the end of its context.
func (p *plane) Watch(_ *realtimev1.WatchRequest, stream realtimev1.EventService_WatchServer) error {
	if err := stream.Send(&realtimev1.WatchResponse{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// Consume sends for ever.
func (p *plane) Consume(stream realtimev1.EventService_ConsumeServer) error {
	large := &realtimev1.ConsumeDelivery{Event: &realtimev1.Event{Namespace: strings.Repeat("x", 1<<16)}}
	for {
		batch := &realtimev1.ConsumeResponse_Batch{Batch: &realtimev1.ConsumeBatch{Deliveries: []*realtimev1.ConsumeDelivery{large}}}
		if err := stream.Send(&realtimev1.ConsumeResponse{Message: batch}); err != nil {
			return err
		}
	}
}

// statusOf stands for the table of statuses that the services have.
func statusOf(err error) error {
	switch err.(type) {
	case nil:
		return nil
	case *MethodError, *NamespaceError:
		return status.Error(codes.PermissionDenied, err.Error())
	case *RateError:
		return status.Error(codes.ResourceExhausted, "rate")
	}
	if errors.Is(err, ErrStreams) {
		return status.Error(codes.ResourceExhausted, "streams")
	}
	return status.Error(codes.Unauthenticated, err.Error())
}

// fixture is a guarded server and a file of tokens.
type fixture struct {
	tb    testing.TB
	ctx   context.Context // of the test, with a time limit
	path  string
	guard *Guard
	plane *plane
	log   log
	conn  *grpc.ClientConn
}

// serve starts a server with that file of tokens, "" for none.
func serve(tb testing.TB, tokens string, change ...func(*Config)) *fixture {
	tb.Helper()
	f := &fixture{tb: tb, path: filepath.Join(tb.TempDir(), "tokens.yaml"), plane: &plane{callers: make(chan string, 64)}}
	cfg := Config{Logger: slog.New(slog.NewTextHandler(&f.log, nil))}
	if tokens != "" {
		f.write(tokens)
		cfg.TokensFile = f.path
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if f.guard, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	f.conn = f.start(insecure.NewCredentials(), insecure.NewCredentials())
	return f
}

// start serves on a port of its own and returns a connection to it.
func (f *fixture) start(server, client credentials.TransportCredentials) *grpc.ClientConn {
	f.tb.Helper()
	s := grpc.NewServer(grpc.Creds(server), grpc.ChainUnaryInterceptor(f.guard.Unary(statusOf)), grpc.ChainStreamInterceptor(f.guard.Streams(statusOf)...))
	realtimev1.RegisterEmitServiceServer(s, f.plane)
	realtimev1.RegisterEventServiceServer(s, f.plane)
	healthpb.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(client))
	if err != nil {
		f.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	f.ctx = ctx
	f.tb.Cleanup(func() {
		cancel()
		s.Stop()
		if err := errors.Join(conn.Close(), <-served); err != nil {
			f.tb.Error(err)
		}
	})
	return conn
}

// write replaces the tokens file, as a rename does.
func (f *fixture) write(text string) {
	f.tb.Helper()
	if err := errors.Join(os.WriteFile(f.path+".new", []byte(text), 0o600), os.Rename(f.path+".new", f.path)); err != nil {
		f.tb.Fatal(err)
	}
}

// as returns the context of calls with these authorization headers.
func (f *fixture) as(headers ...string) context.Context {
	ctx := f.ctx
	for _, h := range headers {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", h)
	}
	return ctx
}

func (f *fixture) emit(ctx context.Context) error {
	_, err := realtimev1.NewEmitServiceClient(f.conn).Emit(ctx, &realtimev1.EmitRequest{Target: &realtimev1.Target{Namespace: "/chat"}})
	return err
}

func (f *fixture) emitStream(ctx context.Context) realtimev1.EmitService_EmitStreamClient {
	f.tb.Helper()
	stream, err := realtimev1.NewEmitServiceClient(f.conn).EmitStream(ctx)
	if err == nil {
		err = stream.Send(&realtimev1.EmitStreamRequest{Id: 1})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		f.tb.Fatal(err)
	}
	return stream
}

// watch opens a stream and returns what its first Recv returns.
func (f *fixture) watch(ctx context.Context) (realtimev1.EventService_WatchClient, error) {
	f.tb.Helper()
	stream, err := realtimev1.NewEventServiceClient(f.conn).Watch(ctx, &realtimev1.WatchRequest{})
	if err != nil {
		f.tb.Fatal(err)
	}
	_, err = stream.Recv()
	return stream, err
}

func wantCode(tb testing.TB, err error, want codes.Code) {
	tb.Helper()
	if status.Code(err) != want {
		tb.Errorf("%v, want %v", err, want)
	}
}

func TestNoTokensNoBounds(t *testing.T) {
	f := serve(t, "")
	for _, ctx := range []context.Context{f.ctx, f.as("Bearer " + secret), f.as("nonsense")} {
		if err := f.emit(ctx); err != nil {
			t.Error(err)
		}
		if name := <-f.plane.callers; name != "" {
			t.Errorf("the caller is %q", name)
		}
	}
	if f.log.String() != "" {
		t.Error(f.log.String())
	}
}

func TestTokens(t *testing.T) {
	f := serve(t, "- {name: chat, token: "+secret+"}\n- {name: old, token: old-old-old-old-old, expires: 2020-01-01T00:00:00Z}\n"+
		"- {name: new, token: new-new-new-new-new, expires: 2999-01-01T00:00:00Z}")
	for name, c := range map[string]struct {
		headers []string
		caller  string // "": refused
		detail  string // in the log
	}{
		"good":            {[]string{"Bearer " + secret}, "chat", ""},
		"scheme in lower": {[]string{"bearer " + secret}, "chat", ""},
		"not yet expired": {[]string{"Bearer new-new-new-new-new"}, "new", ""},
		"none":            {nil, "", "no token"},
		"empty":           {[]string{""}, "", "not one bearer token"},
		"expired":         {[]string{"Bearer old-old-old-old-old"}, "", "expired"},
		"unknown":         {[]string{"Bearer " + secret + "x"}, "", "unknown token"},
		"shorter":         {[]string{"Bearer " + secret[1:]}, "", "unknown token"},
		"its hash":        {[]string{"Bearer " + hashOf(secret)}, "", "unknown token"},
		"no scheme":       {[]string{secret}, "", "not one bearer token"},
		"scheme":          {[]string{"Basic " + secret}, "", "not one bearer token"},
		"scheme only":     {[]string{"Bearer"}, "", "not one bearer token"},
		"two blanks":      {[]string{"Bearer  " + secret}, "", "unknown token"},
		"two headers":     {[]string{"Bearer " + secret, "Bearer " + secret}, "", "not one bearer token"},
		"good and bad":    {[]string{"Bearer " + secret, "nonsense"}, "", "not one bearer token"},
	} {
		t.Run(name, func(t *testing.T) {
			err := f.emit(f.as(c.headers...))
			_, streamErr := f.watch(f.as(c.headers...))
			if c.caller == "" {
				wantCode(t, err, codes.Unauthenticated)
				wantCode(t, streamErr, codes.Unauthenticated)
				return
			}
			if err != nil || streamErr != nil {
				t.Fatal(err, streamErr)
			}
			if got := <-f.plane.callers; got != c.caller {
				t.Errorf("the caller is %q", got)
			}
		})
	}
	if text := f.log.String(); strings.Contains(text, secret[1:]) || strings.Contains(text, "old-old") || strings.Contains(text, hashOf(secret)) {
		t.Errorf("the log shows a token: %s", text)
	}
}

// What is refused is logged with who, what and why.
func TestRefusalsAreLogged(t *testing.T) {
	f := serve(t, "- {name: chat, token: "+secret+", methods: [Emit], namespaces: [/x], rate: 0.001, burst: 3}\n"+
		"- {name: old, token: old-old-old-old-old, expires: 2020-01-01T00:00:00Z}")
	good := f.as("Bearer " + secret)
	wantCode(t, f.emit(f.as("Bearer old-old-old-old-old")), codes.Unauthenticated)
	_, err := f.watch(good)
	wantCode(t, err, codes.PermissionDenied)
	for range 3 {
		wantCode(t, f.emit(good), codes.PermissionDenied) // for the namespace
	}
	wantCode(t, f.emit(good), codes.ResourceExhausted)
	const begin = `level=WARN msg="gRPC call refused" caller=`
	for _, want := range []string{
		begin + "old method=/realtime.v1.EmitService/Emit reason=TOKEN_INVALID peer=127.0.0.1:",
		`error="access: expired" suppressed=0`,
		begin + "chat method=/realtime.v1.EventService/Watch reason=METHOD_NOT_ALLOWED peer=127.0.0.1:",
		begin + "chat method=/realtime.v1.EmitService/Emit reason=NAMESPACE_NOT_ALLOWED peer=127.0.0.1:",
		begin + "chat method=/realtime.v1.EmitService/Emit reason=RATE_LIMITED peer=127.0.0.1:",
	} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("no %s in\n%s", want, f.log.String())
		}
	}
}

func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	f := serve(t, "- {name: chat, token: "+secret+", methods: [Watch]}")
	for range 300 {
		wantCode(t, f.emit(f.ctx), codes.Unauthenticated)
	}
	wantCode(t, f.emit(f.as("Bearer "+secret)), codes.PermissionDenied) // another reason, another bound
	lines := strings.Count(f.log.String(), "reason=TOKEN_INVALID")
	if lines < reportBurst || lines > 100 || !strings.Contains(f.log.String(), "reason=METHOD_NOT_ALLOWED") {
		t.Errorf("%d lines:\n%s", lines, f.log.String())
	}
}

func TestMethodsAreRights(t *testing.T) {
	f := serve(t, "- {name: a, token: "+secret+", methods: [EventService]}\n- {name: b, token: 0123456789abcdef, methods: [Reflection, EmitService/Emit]}")
	events, emits := f.as("Bearer "+secret), f.as("Bearer 0123456789abcdef")
	reflect := func(ctx context.Context) error {
		stream, err := reflectionpb.NewServerReflectionClient(f.conn).ServerReflectionInfo(ctx)
		if err == nil {
			_ = stream.CloseSend()
			_, err = stream.Recv()
		}
		if err != nil && status.Code(err) == codes.Unknown { // io.EOF: the end of an orderly stream
			return nil
		}
		return err
	}
	for name, c := range map[string]struct {
		call func(context.Context) error
		want map[context.Context]codes.Code
	}{
		"Emit":       {f.emit, map[context.Context]codes.Code{events: codes.PermissionDenied, emits: codes.OK, f.ctx: codes.Unauthenticated}},
		"reflection": {reflect, map[context.Context]codes.Code{events: codes.PermissionDenied, emits: codes.OK, f.ctx: codes.Unauthenticated}},
		"Watch": {func(ctx context.Context) error { _, err := f.watch(ctx); return err },
			map[context.Context]codes.Code{events: codes.OK, emits: codes.PermissionDenied, f.ctx: codes.Unauthenticated}},
		"health": {func(ctx context.Context) error {
			_, err := healthpb.NewHealthClient(f.conn).Check(ctx, &healthpb.HealthCheckRequest{})
			return err
		}, map[context.Context]codes.Code{events: codes.OK, emits: codes.OK, f.ctx: codes.OK, f.as("nonsense"): codes.OK}},
	} {
		for ctx, want := range c.want {
			if got := status.Code(c.call(ctx)); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
}

// A new version of the file counts from the next look on; one that cannot be used changes nothing.
func TestReload(t *testing.T) {
	f := serve(t, "- {name: chat, token: "+secret+"}")
	const other = "the-next-token-for-chat"
	first, second := f.as("Bearer "+secret), f.as("Bearer "+other)
	wantCode(t, f.emit(second), codes.Unauthenticated)

	f.write("- {name: chat, token: [" + secret + ", " + other + "]}")
	f.guard.look()
	if err := errors.Join(f.emit(first), f.emit(second)); err != nil {
		t.Error(err)
	}
	f.write("- {name: chat, token: " + other + "}")
	f.guard.look()
	wantCode(t, f.emit(first), codes.Unauthenticated)
	for name, spoil := range map[string]func(){
		"broken": func() { f.write("- {name: chat, tokens: " + other + "}") },
		"gone":   func() { _ = os.Remove(f.path) },
	} {
		spoil()
		for range 3 {
			f.guard.look()
		}
		if err := f.emit(second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := f.log.String(); strings.Count(text, "not replaced") != 2 || strings.Count(text, "msg=\"tokens file replaced\"") != 2 || strings.Contains(text, other) {
		t.Error(text)
	}
	f.write("[]")
	f.guard.look()
	wantCode(t, f.emit(second), codes.Unauthenticated)
}

func TestNewRefuses(t *testing.T) {
	want := "access: Rate must not be negative\naccess: Burst must not be negative\naccess: MaxStreams must not be negative"
	if _, err := New(Config{Rate: math.NaN(), Burst: -1, MaxStreams: -1}); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if _, err := New(Config{TokensFile: path}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("- {name: a b, token: x}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{TokensFile: path})
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], path+": line 1: name ") || !strings.HasPrefix(lines[1], path+": line 1: token ") {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{TokensFile: t.TempDir()}); err == nil {
		t.Error("a folder is accepted")
	}
}

// What the guard itself costs a call.
func BenchmarkAdmit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("- {name: chat, token: "+secret+", methods: [Watch, Emit], namespaces: [/x, /chat*], rate: 1000000}"), 0o600); err != nil {
		b.Fatal(err)
	}
	g, err := New(Config{TokensFile: path})
	if err != nil {
		b.Fatal(err)
	}
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("authorization", "Bearer "+secret))
	ctx = grpc.NewContextWithServerTransportStream(ctx, methodStream{})
	b.ReportAllocs()
	for b.Loop() {
		id, err := g.admit(ctx)
		if _, limited := errors.AsType[*RateError](err); limited { // it is faster than any rate there may be
			continue
		}
		if err != nil || !id.caller.MayNamespace("/chat") {
			b.Fatal(err)
		}
	}
}

// methodStream tells gRPC which method is called.
type methodStream struct{ grpc.ServerTransportStream }

func (methodStream) Method() string { return realtimev1.EmitService_Emit_FullMethodName }

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(runEnv); ok {
		_ = os.Unsetenv(runEnv)
		if os.Getenv("LISTEN_FDS") != "" {
			_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // who starts a process does not know it before
		}
		os.Args = append(os.Args[:1], strings.Split(args, "\n")...)
		main()
	}
	if args, ok := os.LookupEnv(chaosMemberEnv); ok {
		_ = chaosMember(args) // how it ends is its mood
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// onPortsOfTheirOwn is a configuration whose listeners choose their ports, on the engine that is tested.
func onPortsOfTheirOwn() Config {
	cfg := defaultConfig()
	cfg.Listen, cfg.GRPCListen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if kind := os.Getenv("REALTIME_TEST_ENGINE"); kind != "" {
		cfg.Engine = kind
	}
	return cfg
}

// start runs a Process until the test ends.
func start(t *testing.T, edit ...func(*Config)) *Process {
	t.Helper()
	cfg := onPortsOfTheirOwn()
	for _, e := range edit {
		e(&cfg)
	}
	p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func stopped(t *testing.T, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func dial(t *testing.T, p *Process) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(p.Addrs().GRPC.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func fetch(t *testing.T, at net.Addr, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + at.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestWholeProcess(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	conn := dial(t, p)

	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	emit := realtime.NewEmitServiceClient(conn)
	answer, err := emit.Emit(t.Context(), &realtime.EmitRequest{Target: &realtime.Target{}, Event: "x"})
	if err != nil || answer.GetMatched() != 0 {
		t.Errorf("emit to nobody: %v, %v", answer, err)
	}
	_, err = emit.Emit(t.Context(), &realtime.EmitRequest{Target: &realtime.Target{}, Event: "connect"})
	if fields := violated(err); status.Code(err) != codes.InvalidArgument || len(fields) != 1 || fields[0] != "event" {
		t.Errorf("reserved event: %v, fields %q", err, fields)
	}
	if names := reflected(t, conn); !strings.Contains(names, "realtime.v1.EmitService") || !strings.Contains(names, "grpc.health.v1.Health") {
		t.Errorf("reflection lists %s", names)
	}

	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/nothing": 404, "/debug/pprof/": 404} {
		if code, _ := fetch(t, p.Addrs().Admin, path); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, body := fetch(t, p.Addrs().Edge, "/socket.io/?EIO=4&transport=polling"); code != 200 || !strings.HasPrefix(body, `0{"sid":`) {
		t.Errorf("handshake: %d %s", code, body)
	}
	_, metrics := fetch(t, p.Addrs().Admin, "/metrics")
	for _, want := range []string{
		"realtime_sessions 1\n", `realtime_sockets{namespace="/"} 0`, `realtime_sessions_opened_total{transport="polling"} 1`, "realtime_build_info{", "go_goroutines ",
		"process_open_fds ", `grpc_code="InvalidArgument",grpc_method="Emit"`, `realtime_sockets_disconnected_total{reason="ping timeout"} 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
}

// violated returns the fields that a refusal names.
func violated(err error) (fields []string) {
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return fields
}

// reason returns the reason that a status names.
func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func reflected(t *testing.T, conn *grpc.ClientConn) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflection.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return list.GetListServicesResponse().String()
}

// largeFile makes a folder with a file that is larger than what a connection buffers.
func largeFile(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<28), f.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hold asks for the large file and reads no more than the first line of the answer, so that the answer goes on until
// the returned function or the end of the test.
func hold(t *testing.T, address string) (release func()) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	release = func() { _ = c.Close() }
	t.Cleanup(release)
	if _, err := io.WriteString(c, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return release
}

// C4: readiness and gRPC health go first, and who asks is told until the end; streams end with a reason.
func TestC4Stop(t *testing.T) {
	p := start(t, func(c *Config) { c.WebRoot = largeFile(t) })
	conn := dial(t, p)
	watch, err := realtime.NewEventServiceClient(conn).Watch(t.Context(), &realtime.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || first.GetOpened() == nil {
		t.Fatalf("%v, %v", first, err)
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := health.Recv(); err != nil || now.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatalf("%v, %v", now, err)
	}
	addrs := p.Addrs()
	release := hold(t, addrs.Edge.String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		stopped(t, p)
	}()

	if now, err := health.Recv(); err != nil || now.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health at the beginning of the end: %v, %v", now, err)
	}
	for path, want := range map[string]int{"/readyz": 503, "/healthz": 200, "/metrics": 200} {
		if code, _ := fetch(t, addrs.Admin, path); code != want {
			t.Errorf("%s while stopping: %d", path, code)
		}
	}
	select {
	case <-done:
		t.Error("Stop did not wait for an answer that was being sent")
	default:
	}
	release()
	<-done

	_, err = watch.Recv()
	if status.Code(err) != codes.Unavailable || reason(err) != "SHUTTING_DOWN" {
		t.Errorf("the stream ended with %v", err)
	}
	for _, at := range []net.Addr{addrs.Edge, addrs.Admin, addrs.GRPC} {
		if c, err := net.Dial("tcp", at.String()); err == nil {
			_ = c.Close()
			t.Errorf("%s is still open", at)
		}
	}
}

// C3: a Start that fails says which listener and why, and leaves nothing open.
func TestC3FailedStartLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for flag, edit := range map[string]func(*Config){
		"--listen":       func(c *Config) { c.Listen = taken.Addr().String() },
		"--grpc-listen":  func(c *Config) { c.GRPCListen = taken.Addr().String() },
		"--admin-listen": func(c *Config) { c.AdminListen = taken.Addr().String() },
		"--http-listen":  func(c *Config) { c.HTTPListen = taken.Addr().String() },
	} {
		cfg := onPortsOfTheirOwn()
		edit(&cfg)
		p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		err = p.Start(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), flag+": ") || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("started on a port that is taken: %v", err)
		}
		for _, at := range []net.Addr{p.addrs.Edge, p.addrs.GRPC} {
			if at == nil {
				continue
			}
			if c, err := net.Dial("tcp", at.String()); err == nil {
				_ = c.Close()
				t.Errorf("%s: %s is still open", flag, at)
			}
		}
	}
}

// The end of Stop's context ends what does not end by itself.
func TestStopIsCutShortByItsContext(t *testing.T) {
	p := start(t, func(c *Config) { c.WebRoot = largeFile(t) })
	hold(t, p.Addrs().Edge.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}
}

// A client that holds the edge up until it is cut off leaves the streams time to end with a reason.
func TestStopLeavesTimeForTheStreams(t *testing.T) {
	p := start(t, func(c *Config) { c.WebRoot = largeFile(t) })
	hold(t, p.Addrs().Edge.String())
	watch, err := realtime.NewEventServiceClient(dial(t, p)).Watch(t.Context(), &realtime.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = p.Stop(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "grpc: ") || ctx.Err() != nil {
		t.Errorf("stop: %v, of all the time: %v", err, ctx.Err())
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable || reason(err) != "SHUTTING_DOWN" {
		t.Errorf("the stream ended with %v", err)
	}
}

// A listener that ends before Stop is somebody's fault, and is told.
func TestFailedListenerIsTold(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	p.ended("listen", net.ErrClosed)
	if err := <-p.Failed(); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "--listen: ") {
		t.Error(err)
	}
}

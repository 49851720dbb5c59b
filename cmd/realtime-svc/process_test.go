package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// runEnv makes the test binary the program itself, with the arguments that the variable holds, one a line.
const runEnv = "REALTIME_TEST_RUN"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(runEnv); ok {
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
	}
	goleak.VerifyTestMain(m)
}

// onPortsOfTheirOwn is a configuration whose listeners choose their ports, on the engine that is tested.
func onPortsOfTheirOwn() Config {
	cfg := DefaultConfig()
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
		"realtime_sessions 1\n", `realtime_sessions_opened_total{transport="polling"} 1`, "realtime_build_info{", "go_goroutines ",
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

// C4: readiness goes first and metrics last; streams end with a reason.
func TestC4Stop(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	watch, err := realtime.NewEventServiceClient(conn).Watch(t.Context(), &realtime.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || first.GetOpened() == nil {
		t.Fatalf("%v, %v", first, err)
	}
	edge, admin := p.Addrs().Edge.String(), p.Addrs().Admin
	if code, _ := fetch(t, admin, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready before: %d", code)
	}
	p.ready.Store(false)
	if code, _ := fetch(t, admin, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready after: %d", code)
	}
	stopped(t, p)
	_, err = watch.Recv()
	var info *errdetails.ErrorInfo
	for _, d := range status.Convert(err).Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok {
			info = i
		}
	}
	if status.Code(err) != codes.Unavailable || info.GetReason() != "SHUTTING_DOWN" {
		t.Errorf("the stream ended with %v, %v", err, info)
	}
	for _, address := range []string{edge, admin.String(), p.Addrs().GRPC.String()} {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			t.Errorf("%s is still open", address)
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
	cfg := onPortsOfTheirOwn()
	cfg.GRPCListen = taken.Addr().String()
	p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = p.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--grpc-listen: ") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("started on a port that is taken: %v", err)
	}
}

func TestStopIsCutShortByItsContext(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	admit, err := realtime.NewAdmissionServiceClient(conn).Admit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := admit.Send(&realtime.AdmitRequest{Message: &realtime.AdmitRequest_Attach{Attach: &realtime.AdmitAttach{}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admit.Recv(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}
}

func TestWebRoot(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": "hello", ".secret": "no", ".git/config": "no"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, func(c *Config) { c.WebRoot = dir })
	defer stopped(t, p)
	for path, want := range map[string]string{
		"/": "200 hello", "/.secret": "404 404 page not found\n", "/.git/config": "404 404 page not found\n",
		"/x/../.secret": "404 404 page not found\n", "/nothing": "404 404 page not found\n",
	} {
		if code, body := fetch(t, p.Addrs().Edge, path); fmt.Sprint(code, " ", body) != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
}

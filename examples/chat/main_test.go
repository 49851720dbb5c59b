package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is standard error that may be read while the program writes it.
type output struct {
	mu    sync.Mutex // guards the following
	text  bytes.Buffer
	lines chan string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.lines <- string(p):
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"--help"}, 0, "address of realtime-svc's gRPC listener"},
		{[]string{"extra"}, 2, `unexpected argument "extra"`},
		{[]string{"--grpc", "%"}, 1, "cannot use this address"},
	} {
		var stderr output
		if code := run(t.Context(), tt.args, &stderr); code != tt.code {
			t.Errorf("run(%q) = %d, want %d", tt.args, code, tt.code)
		}
		if !strings.Contains(stderr.String(), tt.says) {
			t.Errorf("run(%q) says %q, want %q in it", tt.args, stderr.String(), tt.says)
		}
	}
}

func TestRunEndsWhenToldTo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeService()
	server := grpc.NewServer()
	realtimev1.RegisterAdmissionServiceServer(server, f)
	realtimev1.RegisterEmitServiceServer(server, f)
	realtimev1.RegisterEventServiceServer(server, f)
	realtimev1.RegisterRoomServiceServer(server, f)
	realtimev1.RegisterSocketServiceServer(server, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	defer func() {
		server.Stop()
		<-served
	}()

	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	stderr := output{lines: make(chan string, 10)}
	go func() { code <- run(ctx, []string{"--grpc", listener.Addr().String()}, &stderr) }()

	if line := next(t, stderr.lines); !strings.Contains(line, "chat backend started") || !strings.Contains(line, listener.Addr().String()) {
		t.Errorf("the first line is %q, want that it has started and where the service is", line)
	}
	next(t, f.answers)
	cancel()
	if got := next(t, code); got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
	if !strings.Contains(stderr.String(), "chat backend stopped") {
		t.Errorf("it does not say that it has stopped: %s", stderr.String())
	}
}

package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/service/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// member is a socket that answers what it is asked with what it is called.
type member struct {
	rooms.Membership
	info rooms.Info

	mu  sync.Mutex // guards the following
	got []*rooms.Message
}

func (m *member) Deliver(message *rooms.Message) bool {
	m.mu.Lock()
	m.got = append(m.got, message)
	m.mu.Unlock()
	if message.Acks != nil {
		message.Acks.Acked(m.ID(), []byte(`"yes"`), nil)
	}
	return true
}

func (m *member) last() *rooms.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got[len(m.got)-1]
}

func (*member) ForgetAck(uint64)                     {}
func (*member) Reply(uint64, []byte, [][]byte) error { return nil }
func (*member) SetData([]byte)                       {}
func (*member) Disconnect(bool)                      {}
func (m *member) Info() rooms.Info                   { return m.info }

// world is a service that speaks HTTP.
type world struct {
	t      *testing.T
	hub    *rooms.Hub
	feed   *feed.Feed
	svc    *service.Service
	server *grpc.Server
	face   *gateway.Gateway
	url    string
	called chan string // the methods of calls, from the moment that they begin
	ended  chan string // those that are over
	client *http.Client
}

// settings are what a world is made with beside the defaults.
type settings struct {
	guard     access.Config
	tokens    string // of the file, instead of guard.TokensFile
	streams   uint32 // of one gRPC connection
	maxBody   int
	localOnly bool
}

func newWorld(t *testing.T, with settings) *world {
	t.Helper()
	w := &world{t: t, called: make(chan string, 1000), ended: make(chan string, 1000)}
	var err error
	if w.feed, err = feed.New(feed.Config{}); err != nil {
		t.Fatal(err)
	}
	if w.hub, err = rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/", "/chat"}}); err != nil {
		t.Fatal(err)
	}
	w.svc, err = service.New(service.Config{
		Hub: w.hub, Feed: w.feed, NodeID: "n1", Logger: slog.New(slog.DiscardHandler),
		Drain: func(int) func() int { return func() int { return 0 } },
	})
	if err != nil {
		t.Fatal(err)
	}
	if with.tokens != "" {
		with.guard.TokensFile = filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(with.guard.TokensFile, []byte(with.tokens), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	guard, err := access.New(with.guard)
	if err != nil {
		t.Fatal(err)
	}
	w.server, err = service.NewServer(w.svc, service.ServerConfig{Guard: guard, MaxConcurrentStreams: with.streams}, grpc.ChainUnaryInterceptor(w.unary), grpc.ChainStreamInterceptor(w.stream))
	if err != nil {
		t.Fatal(err)
	}
	w.face, err = gateway.New(gateway.Config{MaxBody: with.maxBody, LocalOnly: func() bool { return with.localOnly }})
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	return w
}

// serve serves the world until the test ends.
func (w *world) serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	served := make(chan error, 2)
	go func() { served <- w.server.Serve(w.face.Calls()) }()
	go func() { served <- w.face.Serve(listener) }()
	transport := &http.Transport{}
	w.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	w.t.Cleanup(func() {
		w.stop()
		for range 2 {
			if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
				w.t.Error(err)
			}
		}
		transport.CloseIdleConnections()
	})
}

// stop stops it in the order that the process has. It may be called twice.
func (w *world) stop() {
	w.svc.Shutdown()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.face.Shutdown(ctx); err != nil {
		w.t.Error(err)
	}
	w.server.GracefulStop()
}

func (w *world) unary(ctx context.Context, r any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	w.called <- info.FullMethod
	defer func() { w.ended <- info.FullMethod }()
	return handler(ctx, r)
}

func (w *world) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	w.called <- info.FullMethod
	defer func() { w.ended <- info.FullMethod }()
	return handler(srv, ss)
}

// socket connects one.
func (w *world) socket(namespace string, in ...string) *member {
	w.t.Helper()
	ns, err := w.hub.Enter(namespace)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &member{}
	m.Init(rooms.NewSocketID())
	m.info = rooms.Info{ID: m.ID(), Namespace: namespace, Transport: "websocket"}
	if err := ns.Add(m, "", in); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// request makes one: a body is JSON. headers are names and values.
func (w *world) request(method, path, body string, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (w *world) send(r *http.Request) *http.Response {
	w.t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// do returns an answer with its whole body.
func (w *world) do(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	resp := w.send(w.request(method, path, body, headers...))
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(text)
}

// entry is a line of a stream.
type entry struct {
	Result map[string]any `json:"result"`
	Error  *failure       `json:"error"`
}

// lines reads a stream line by line; at its end they are nil.
func (w *world) lines(resp *http.Response) func() *entry {
	w.t.Helper()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		w.t.Fatalf("status %d, type %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	scanner := bufio.NewScanner(resp.Body)
	return func() *entry {
		w.t.Helper()
		if !scanner.Scan() {
			if scanner.Err() != nil {
				w.t.Fatal(scanner.Err())
			}
			return nil
		}
		var e entry
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			w.t.Fatalf("%s: %v", scanner.Bytes(), err)
		}
		return &e
	}
}

// failure is a google.rpc.Status in JSON.
type failure struct {
	Code    int
	Message string
	Details []struct {
		Type            string `json:"@type"`
		Reason, Domain  string
		RetryDelay      string
		FieldViolations []struct{ Field, Description string }
	}
}

// about is its ErrorInfo's reason, or the fields of its BadRequest.
func (f *failure) about() string {
	var about []string
	for _, d := range f.Details {
		if d.Reason != "" {
			about = append(about, d.Reason)
		}
		for _, v := range d.FieldViolations {
			about = append(about, v.Field)
		}
	}
	return strings.Join(about, ",")
}

func failureOf(t *testing.T, text string) *failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return &f
}

package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a gateway to a service without sockets.
type world struct {
	t    *testing.T
	svc  *service.Service
	feed *feed.Feed
	url  string
}

// newWorld has the tokens of a file, if there are any.
func newWorld(t *testing.T, tokens string) *world {
	t.Helper()
	var hub *rooms.Hub
	f, err := feed.New(feed.Config{WantRoomEvents: func(delta int) { hub.WantRoomEvents(delta) }})
	if err != nil {
		t.Fatal(err)
	}
	if hub, err = rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/", "/chat"}, RoomEvents: f.ObserveRooms}); err != nil {
		t.Fatal(err)
	}
	drain := func(int) func() int { return func() int { return 0 } }
	svc, err := service.New(service.Config{Hub: hub, Feed: f, Logger: slog.New(slog.DiscardHandler), Drain: drain})
	if err != nil {
		t.Fatal(err)
	}
	guarded := access.Config{Rate: 1000}
	if tokens != "" {
		guarded.TokensFile = filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(guarded.TokensFile, []byte(tokens), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	guard, err := access.New(guarded)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Config{MaxBody: 8 << 20, Tokens: tokens != "", NewServer: func(options ...grpc.ServerOption) (*grpc.Server, error) {
		return service.NewServer(svc, service.ServerConfig{Guard: guard}, options...)
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		svc.Shutdown()
		server.Close()
		if err := g.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, svc: svc, feed: f, url: server.URL}
}

// ask makes a request; headers are "Name: value".
func (w *world) ask(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer, string(text)
}

// routes is a request for each method, and what the answer has.
var routes = map[protoreflect.FullName]struct{ method, path, body, want string }{
	"realtime.v1.EmitService.Emit":                {"POST", "/v1/emit", `{"target":{"namespace":"/chat"},"event":"e","arguments":"[1]"}`, `"delivered":0`},
	"realtime.v1.EmitService.EmitWithAck":         {"POST", "/v1/emit-with-ack", `{"target":{},"event":"e","timeout":"1s"}`, `"summary":{"matched":0`},
	"realtime.v1.RoomService.JoinRooms":           {"POST", "/v1/rooms:join", `{"target":{},"rooms":["a"]}`, `"matched":0`},
	"realtime.v1.RoomService.LeaveRooms":          {"POST", "/v1/rooms:leave", `{"target":{},"rooms":["a"]}`, `"matched":0`},
	"realtime.v1.RoomService.ListRooms":           {"GET", "/v1/rooms?namespace=/chat&pageSize=5", "", `"rooms":[]`},
	"realtime.v1.SocketService.GetSocket":         {"GET", "/v1/sockets/AAAAAAAAAAAAAAAAAAAA", "", `SOCKET_NOT_FOUND`},
	"realtime.v1.SocketService.ListSockets":       {"GET", "/v1/sockets?target.rooms=a&target.rooms=b", "", ""},
	"realtime.v1.SocketService.CountSockets":      {"GET", "/v1/sockets:count?target.namespace=/chat", "", `"count":0`},
	"realtime.v1.SocketService.UpdateSockets":     {"POST", "/v1/sockets:update", `{"target":{},"data":"1"}`, `"matched":0`},
	"realtime.v1.SocketService.DisconnectSockets": {"POST", "/v1/sockets:disconnect", `{"target":{}}`, `"matched":0`},
	"realtime.v1.EventService.Reply":              {"POST", "/v1/reply", `{"ack_token":"x"}`, `ack_token`},
	"realtime.v1.NodeService.Drain":               {"POST", "/v1/node:drain", `{}`, `"sessions":0`},
	"realtime.v1.EventService.Watch":              {}, // TestWatch
}

// Every method has a route, but for those with a stream of requests.
func TestEveryMethodHasARoute(t *testing.T) {
	w := newWorld(t, "")
	count := 0
	for _, file := range []protoreflect.FileDescriptor{
		realtimev1.File_realtime_v1_emit_service_proto, realtimev1.File_realtime_v1_room_service_proto, realtimev1.File_realtime_v1_socket_service_proto,
		realtimev1.File_realtime_v1_event_service_proto, realtimev1.File_realtime_v1_admission_service_proto, realtimev1.File_realtime_v1_node_service_proto,
	} {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			m := methods.Get(i)
			route, ok := routes[m.FullName()]
			if m.IsStreamingClient() {
				continue
			}
			if count++; !ok {
				t.Errorf("%s has no route", m.FullName())
				continue
			}
			if route.path == "" {
				continue
			}
			answer, text := w.ask(route.method, route.path, route.body)
			if !strings.Contains(strings.ReplaceAll(text, " ", ""), route.want) || answer.StatusCode >= 500 || strings.Contains(text, "there is no") {
				t.Errorf("%s: %s %s", m.FullName(), answer.Status, text)
			}
		}
	}
	if count != len(routes) {
		t.Errorf("%d methods, %d routes", count, len(routes))
	}
}

// The guide has a line for every route: the method, the route and a command.
func TestTheGuideHasEveryRoute(t *testing.T) {
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			rows[strings.Trim(cells[1], " `")] = line
		}
	}
	for name, route := range routes {
		method := strings.Replace(strings.TrimPrefix(string(name), "realtime.v1."), ".", "/", 1)
		path, _, _ := strings.Cut(strings.ReplaceAll(route.path, "/AAAAAAAAAAAAAAAAAAAA", "/{socket_id}"), "?")
		if route.path == "" {
			route.method, path = "GET", "/v1/watch"
		}
		if row := rows[method]; !strings.Contains(row, "`"+route.method+" "+path+"`") || !strings.Contains(row, "`curl ") {
			t.Errorf("no line for %s at %s %s: %q", method, route.method, path, row)
		}
	}
}

// What is wrong gets the code, and says what it is about.
func TestRefusals(t *testing.T) {
	open, guarded := newWorld(t, ""), newWorld(t, `
- name: reader
  token: the-token-of-reader
  methods: [SocketService/CountSockets]
  namespaces: [/chat]
`)
	for name, c := range map[string]struct {
		w                  *world
		method, path, body string
		headers            []string
		code               int
		want               string
	}{
		"no route":              {open, "GET", "/v1/nothing", "", nil, 404, "there is no GET /v1/nothing"},
		"another method":        {open, "GET", "/v1/emit", "", nil, 405, "not served with GET"},
		"no JSON":               {open, "POST", "/v1/emit", `{"event"`, nil, 400, "unexpected"},
		"an unknown field":      {open, "POST", "/v1/emit", `{"event":"e","evnt":"x"}`, nil, 400, "evnt"},
		"an unknown parameter":  {open, "GET", "/v1/rooms?name=x", "", nil, 400, "name"},
		"a nested one":          {open, "GET", "/v1/sockets:count?target.room=x", "", nil, 400, "target.room"},
		"fields":                {open, "POST", "/v1/emit", `{"target":{},"event":""}`, nil, 400, `"field":"event"`},
		"a namespace":           {open, "GET", "/v1/rooms?namespace=/no", "", nil, 404, "NAMESPACE_NOT_FOUND"},
		"a form":                {open, "POST", "/v1/emit", "event=e", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json"},
		"text":                  {open, "POST", "/v1/emit", "{}", []string{"Content-Type: text/plain"}, 415, "application/json"},
		"another host":          {open, "GET", "/v1/rooms", "", []string{"Host: evil.example"}, 403, "evil.example"},
		"a preflight":           {open, "OPTIONS", "/v1/emit", "", []string{"Origin: https://a.example", "Access-Control-Request-Method: POST"}, 405, ""},
		"a large body":          {open, "POST", "/v1/emit", strings.Repeat(" ", 9<<20), nil, 413, "bytes"},
		"no token":              {guarded, "GET", "/v1/sockets:count?target.namespace=/chat", "", nil, 401, "TOKEN_INVALID"},
		"a wrong token":         {guarded, "GET", "/v1/sockets:count?target.namespace=/chat", "", []string{"Authorization: Bearer no"}, 401, "TOKEN_INVALID"},
		"a token":               {guarded, "GET", "/v1/sockets:count?target.namespace=/chat", "", []string{"Authorization: Bearer the-token-of-reader"}, 200, `"count":0`},
		"a token, another host": {guarded, "GET", "/v1/sockets:count?target.namespace=/chat", "", []string{"Authorization: Bearer the-token-of-reader", "Host: control.example"}, 200, `"count":0`},
		"another namespace":     {guarded, "GET", "/v1/sockets:count?target.namespace=/", "", []string{"Authorization: Bearer the-token-of-reader"}, 403, "NAMESPACE_NOT_ALLOWED"},
		"another right":         {guarded, "POST", "/v1/emit", `{"target":{},"event":"e"}`, []string{"Authorization: Bearer the-token-of-reader"}, 403, "METHOD_NOT_ALLOWED"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, text := c.w.ask(c.method, c.path, c.body, c.headers...)
			if answer.StatusCode != c.code || !strings.Contains(strings.ReplaceAll(text, `": "`, `":"`), c.want) {
				t.Errorf("%s %s, want %d with %q", answer.Status, text, c.code, c.want)
			}
			if answer.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("another origin may read it")
			}
			var status struct{ Code *int }
			if err := json.Unmarshal([]byte(text), &status); c.code >= 400 && (err != nil || status.Code == nil) {
				t.Errorf("%q is no status: %v", text, err)
			}
		})
	}
}

// A client with HTTP is counted by its address, whatever it says about it, as one with gRPC is.
func TestRateIsOfTheAddress(t *testing.T) {
	w := newWorld(t, "- name: slow\n  token: the-token-of-slow\n  rate: 0.001\n")
	headers := []string{"Authorization: Bearer the-token-of-slow", "X-Forwarded-For: 10.0.0.1"}
	if answer, text := w.ask("GET", "/v1/rooms", "", headers...); answer.StatusCode != http.StatusOK {
		t.Fatal(text)
	}
	answer, text := w.ask("GET", "/v1/rooms", "", headers...)
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" || !strings.Contains(text, "RATE_LIMITED") {
		t.Errorf("%s %v %s", answer.Status, answer.Header, text)
	}
}

// Watch is a line of JSON for each message, as it comes, until the service ends.
func TestWatch(t *testing.T) {
	w := newWorld(t, "")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/v1/watch?namespaces=/chat&kinds=EVENT_KIND_RECEIVED", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("%q, want %q", lines.Text(), want)
		}
	}
	next(`"opened"`)
	for _, name := range []string{"one", "two"} {
		w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/chat", Socket: rooms.NewSocketID(), Name: name, Args: []byte(`"x"`), Time: time.Now()})
		next(`"name":"` + name + `"`)
	}
	w.svc.Shutdown()
	next("SHUTTING_DOWN")
	if lines.Scan() {
		t.Errorf("after the end: %s", lines.Text())
	}
}

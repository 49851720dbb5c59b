package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// rule is one of proto/gateway.yaml.
type rule struct {
	Selector, Get, Post, Body string
	AdditionalBindings        []rule `yaml:"additional_bindings"`
}

// routes are the rules' "GET /path" by the method that they lead to, which is named as gRPC does.
func routes(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../proto/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ HTTP struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, r := range file.HTTP.Rules {
		at := strings.LastIndexByte(r.Selector, '.')
		method := "/" + r.Selector[:at] + "/" + r.Selector[at+1:]
		for _, binding := range append([]rule{r}, r.AdditionalBindings...) {
			if binding.Post != "" && binding.Body != "*" {
				t.Errorf("%s: the body must be the request", r.Selector)
			}
			if binding.Get != "" {
				found[method] = append(found[method], "GET "+binding.Get)
			} else {
				found[method] = append(found[method], "POST "+binding.Post)
			}
		}
	}
	return found
}

// methods are those of the contract that need no stream of requests, and those that do.
func methods() (served, others []string) {
	protoregistry.GlobalFiles.RangeFilesByPackage("realtime.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				name := fmt.Sprintf("/%s/%s", service.FullName(), m.Name())
				if m.IsStreamingClient() {
					others = append(others, name)
				} else {
					served = append(served, name)
				}
			}
		}
		return true
	})
	return served, others
}

// calls has for each route a request that is carried out, and what its answer, or the first line of it, has. SID stands for the id
// of a socket.
var calls = map[string]struct{ path, body, want string }{
	"POST /v1/emit":               {"", `{"target":{"rooms":["r"]},"event":"e","arguments":"[1]"}`, `{"matched":1,"delivered":1,"replayed":false}`},
	"POST /v1/emit-with-ack":      {"", `{"target":{"rooms":["r"]},"event":"e"}`, `{"result":{"answer":{"socketId":"SID","arguments":"[\"yes\"]","attachments":[]}}}`},
	"GET /v1/rooms":               {"/v1/rooms?namespace=/&pageSize=10", "", `{"rooms":[{"name":"r","sockets":1}],"nextPageToken":""}`},
	"POST /v1/rooms:join":         {"", `{"target":{"sockets":["SID"]},"rooms":["s"]}`, `{"matched":1}`},
	"POST /v1/rooms:leave":        {"", `{"target":{"sockets":["SID"]},"rooms":["s"]}`, `{"matched":1}`},
	"GET /v1/sockets":             {"/v1/sockets?namespace=/&room=r", "", `{"result":{"sockets":[{"id":"SID",`},
	"POST /v1/sockets:list":       {"", `{"target":{"rooms":["r"]}}`, `{"result":{"sockets":[{"id":"SID",`},
	"GET /v1/sockets/{socket_id}": {"/v1/sockets/SID", "", `{"socket":{"id":"SID",`},
	"GET /v1/sockets:count":       {"/v1/sockets:count?rooms=r&rooms=x&exceptSocket=ABCDEFGHIJKLMNOPQRST", "", `{"count":1}`},
	"POST /v1/sockets:count":      {"", `{"target":{}}`, `{"count":1}`},
	"POST /v1/sockets:update":     {"", `{"target":{},"data":"{}"}`, `{"matched":1}`},
	"POST /v1/sockets:disconnect": {"", `{"target":{},"closeConnection":true}`, `{"matched":1}`},
	"GET /v1/watch":               {"/v1/watch?namespace=/&kind=EVENT_KIND_RECEIVED&eventName=a&eventName=b", "", `{"result":{"opened":{}}}`},
	"POST /v1/watch":              {"", `{"kinds":["EVENT_KIND_CONNECTED"]}`, `{"result":{"opened":{}}}`},
	"POST /v1/reply":              {"", `{"ackToken":"none"}`, `"field":"ack_token"`},
	"POST /v1/node:drain":         {"", `{"sessionsPerSecond":1}`, `{"result":{"sessions":0}}`},
}

// Every method that can be served has a route, and every route leads to its method.
func TestEveryMethodHasARoute(t *testing.T) {
	rules := routes(t)
	served, others := methods()
	if len(served) < 12 || len(others) < 3 {
		t.Fatalf("methods %q and %q", served, others)
	}
	for _, m := range others {
		if rules[m] != nil {
			t.Errorf("%s has a stream of requests, and routes", m)
		}
	}
	tried := 0
	for _, m := range served {
		if len(rules[m]) == 0 {
			t.Errorf("%s has no route in proto/gateway.yaml", m)
		}
		for _, route := range rules[m] {
			tried++
			t.Run(route, func(t *testing.T) { checkRoute(t, m, route) })
		}
	}
	if tried != len(calls) {
		t.Errorf("%d routes, %d requests", tried, len(calls))
	}
}

func checkRoute(t *testing.T, method, route string) {
	call, ok := calls[route]
	if !ok {
		t.Fatal("no request tries it")
	}
	w := newWorld(t, settings{})
	id := w.socket("/", "r").ID().String()
	verb, path, _ := strings.Cut(route, " ")
	if call.path != "" {
		path = call.path
	}
	with := strings.NewReplacer("SID", id).Replace
	resp := w.send(w.request(verb, with(path), with(call.body)))
	text, err := bufio.NewReader(resp.Body).ReadString('\n')
	var compact bytes.Buffer // protojson puts a blank here and there, so that nobody compares its bytes
	if err := errors.Join(err, json.Compact(&compact, []byte(text))); err != nil {
		t.Fatalf("%d %q: %v", resp.StatusCode, text, err)
	}
	if !strings.Contains(compact.String(), with(call.want)) {
		t.Errorf("%d %s, want %s", resp.StatusCode, compact.String(), with(call.want))
	}
	if called := <-w.called; called != method {
		t.Errorf("%s was called", called)
	}
	if resp.StatusCode != http.StatusOK && route != "POST /v1/reply" {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// row is one of the table in docs/http.md: method, route, and a curl line with an address and perhaps a body.
var row = regexp.MustCompile("^\\| `([A-Za-z/]+)` \\| `([A-Z]+) (/[^`]+)` \\| `curl (?:-N )?(?:--json '([^']+)' )?'?127\\.0\\.0\\.1:9092(/[^`']+)'?` \\|$")

// Every route is in the table of docs/http.md, and its curl line does what it says.
func TestRoutesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for method, all := range routes(t) {
		for _, r := range all {
			missing[strings.TrimPrefix(method, "/realtime.v1.")+" "+r] = true
		}
	}
	w := newWorld(t, settings{})
	id := w.socket("/", "lobby").ID().String()
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "`curl ") || !strings.HasPrefix(line, "| ") {
			continue
		}
		found := row.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if found == nil {
			t.Errorf("not the form of a row: %s", line)
			continue
		}
		method, verb, body, path := found[1], found[2], found[4], found[5]
		if !missing[method+" "+verb+" "+found[3]] {
			t.Errorf("not a route, or once more: %s", line)
		}
		delete(missing, method+" "+verb+" "+found[3])
		if (body != "") != (verb == http.MethodPost) {
			t.Errorf("curl would not send a %s: %s", verb, line)
		}
		resp := w.send(w.request(verb, strings.ReplaceAll(path, "SOCKET_ID", id), body))
		if called := <-w.called; called != "/realtime.v1."+method {
			t.Errorf("it calls %s: %s", called, line)
		}
		if resp.StatusCode != http.StatusOK && !strings.Contains(body, "ACK_TOKEN") {
			t.Errorf("it is answered with %d: %s", resp.StatusCode, line)
		}
	}
	for route := range missing {
		t.Errorf("docs/http.md has no row for %s", route)
	}
}

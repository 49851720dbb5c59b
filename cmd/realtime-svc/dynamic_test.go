package main

import (
	"net/http"
	"strings"
	"testing"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// PROTOCOL 4.5, through the whole house: a namespace of a pattern exists while a client is in it, in a bounded number, and
// services reach it by name. Its name is no label of a metric.
func TestNamespacePatterns(t *testing.T) {
	p := start(t, func(c *Config) {
		c.NamespacePatterns, c.MaxDynamicNamespaces = []string{"/room-[0-9]+"}, 1
	})
	defer stopped(t, p)
	first := poll(t, p)
	if got := first.connect("/room-7,"); !strings.HasPrefix(got, `40/room-7,{"sid":`) {
		t.Fatal(got)
	}
	for namespace, want := range map[string]string{
		"/room-x": `44/room-x,{"message":"Invalid namespace"}`,
		"/room-8": `44/room-8,{"message":"Too many namespaces"}`,
	} {
		if got := poll(t, p).connect(namespace + ","); got != want {
			t.Errorf("%s: %s", namespace, got)
		}
	}
	emit := realtime.NewEmitServiceClient(dial(t, p))
	for namespace, want := range map[string]uint32{"/room-7": 1, "/room-8": 0} {
		got, err := emit.Emit(t.Context(), &realtime.EmitRequest{Target: &realtime.Target{Namespace: namespace}, Event: "hi"})
		if err != nil || got.GetDelivered() != want {
			t.Errorf("%s: %v, %v", namespace, got, err)
		}
	}
	if _, body := first.do(http.MethodGet, ""); body != `42/room-7,["hi"]` {
		t.Error(body)
	}
	_, metrics := fetch(t, p.Addrs().Admin, "/metrics")
	if !strings.Contains(metrics, `realtime_sockets{namespace="/room-[0-9]+"} 1`) || strings.Contains(metrics, "/room-7") {
		t.Error("sockets are not counted by pattern")
	}
	if _, body := first.do(http.MethodPost, "41/room-7,"); body != "ok" {
		t.Error(body)
	}
	if got := poll(t, p).connect("/room-8,"); !strings.HasPrefix(got, `40/room-8,{"sid":`) {
		t.Errorf("the place that was left is not free: %s", got)
	}
}

// PROTOCOL 4.1 and 4.4: what becomes of rooms, as a service sees it beside the socket's own events.
func TestRoomEventsReachWatchers(t *testing.T) {
	p := start(t, func(*Config) {})
	defer stopped(t, p)
	var kinds []realtime.EventKind
	for value := range realtime.EventKind_name {
		if value != 0 {
			kinds = append(kinds, realtime.EventKind(value))
		}
	}
	stream, err := realtime.NewEventServiceClient(dial(t, p)).Watch(t.Context(), &realtime.WatchRequest{Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	c := poll(t, p)
	c.connect("")
	c.do(http.MethodPost, "41")
	var got []string
	for len(got) < 6 {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.GetBatch().GetEvents() {
			kind := e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().ByName("kind"))
			got = append(got, string(kind.Name()))
		}
	}
	if line := strings.Join(got, " "); line != "room_created joined connected left room_deleted disconnected" {
		t.Error(line)
	}
}

package gateway_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

const watchMethod = "/realtime.v1.EventService/Watch"

// A watch tells what happens as it happens, and ends with the client.
func TestWatch(t *testing.T) {
	w := newWorld(t, settings{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := w.lines(w.send(w.request(http.MethodGet, "/v1/watch?eventName=a", "").WithContext(ctx)))
	if first := next(); first.Result["opened"] == nil {
		t.Fatalf("first %+v", first)
	}
	for i := range 3 {
		for _, name := range []string{"b", "a"} {
			w.feed.Observe(&rooms.Event{
				Kind: rooms.KindEvent, Namespace: "/", Socket: rooms.NewSocketID(), Name: name, Args: fmt.Appendf(nil, `"<%d>"`, i), Attachments: [][]byte{{0xff, 0xfe}},
			})
		}
		batch := next().Result["batch"].(map[string]any)
		events := batch["events"].([]any)
		received, _ := events[0].(map[string]any)["received"].(map[string]any)
		if len(events) != 1 || batch["missed"] != "0" || received["arguments"] != fmt.Sprintf(`["<%d>"]`, i) || received["attachments"].([]any)[0] != "//4=" {
			t.Fatalf("batch %v", batch)
		}
	}
	if m := <-w.called; m != watchMethod {
		t.Fatal(m)
	}
	select {
	case m := <-w.ended:
		t.Fatalf("%s ended early", m)
	default:
	}
	cancel()
	if m := <-w.ended; m != watchMethod {
		t.Fatal(m)
	}
}

// A watch that the server ends says why, and Shutdown waits for it.
func TestWatchEndsWithTheServer(t *testing.T) {
	w := newWorld(t, settings{})
	next := w.lines(w.send(w.request(http.MethodPost, "/v1/watch", "{}")))
	next()
	w.stop()
	last := next()
	if last == nil || last.Error == nil || last.Error.Code != 14 || last.Error.about() != "SHUTTING_DOWN" {
		t.Fatalf("last %+v", last)
	}
	if more := next(); more != nil {
		t.Errorf("then %+v", more)
	}
}

// A deadline ends a stream that has begun with a line, whatever it has said until then.
func TestDeadlineOfAStream(t *testing.T) {
	w := newWorld(t, settings{})
	next := w.lines(w.send(w.request(http.MethodGet, "/v1/watch", "", "Grpc-Timeout", "200m")))
	next()
	if last := next(); last == nil || last.Error == nil || last.Error.Code != 4 {
		t.Errorf("last %+v", last)
	}
}

// A Shutdown that may not wait cuts off what is open.
func TestShutdownIsCutShort(t *testing.T) {
	w := newWorld(t, settings{})
	resp := w.send(w.request(http.MethodGet, "/v1/watch", ""))
	w.lines(resp)()
	<-w.called
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.face.Shutdown(ctx); err == nil {
		t.Error("nothing was cut off")
	}
	if m := <-w.ended; m != watchMethod {
		t.Fatal(m)
	}
	if _, err := resp.Body.Read(make([]byte, 100)); err == nil {
		t.Error("the stream goes on")
	}
}

// Acknowledgements come as lines, one for each socket, and the summary last.
func TestEmitWithAck(t *testing.T) {
	w := newWorld(t, settings{})
	want := map[any]bool{w.socket("/").ID().String(): true, w.socket("/").ID().String(): true}
	next := w.lines(w.send(w.request(http.MethodPost, "/v1/emit-with-ack", `{"target":{},"event":"ask","timeout":"5s"}`)))
	for range len(want) {
		answer := next().Result["answer"].(map[string]any)
		if !want[answer["socketId"]] || answer["arguments"] != `["yes"]` {
			t.Errorf("answer %v", answer)
		}
		delete(want, answer["socketId"])
	}
	if summary, _ := next().Result["summary"].(map[string]any); summary["answered"] != 2.0 || summary["timedOut"] != 0.0 {
		t.Errorf("summary %v", summary)
	}
	if more := next(); more != nil {
		t.Errorf("then %+v", more)
	}
}

// A list of nobody is a stream without lines.
func TestEmptyStream(t *testing.T) {
	w := newWorld(t, settings{})
	if line := w.lines(w.send(w.request(http.MethodGet, "/v1/sockets", "")))(); line != nil {
		t.Errorf("%+v", line)
	}
}

// Fields are read in both forms; arguments arrive byte for byte, and attachments from either alphabet of base64.
func TestEmitArrivesAsItWasSent(t *testing.T) {
	w := newWorld(t, settings{})
	in, out := w.socket("/chat", "r"), w.socket("/chat", "r", "out")
	attachment := []byte{0xfb, 0xff, 0xfe, 0}
	for _, c := range []struct {
		except, key string
		encoding    *base64.Encoding
	}{
		{"exceptRooms", "idempotencyKey", base64.StdEncoding},
		{"except_rooms", "idempotency_key", base64.URLEncoding},
		{"exceptRooms", "idempotency_key", base64.RawStdEncoding},
		{"except_rooms", "idempotencyKey", base64.RawURLEncoding},
	} {
		body := fmt.Sprintf(`{"target":{"namespace":"/chat","rooms":["r"],%q:["out"]},"event":"é","arguments":"[1.0, \"<&>\\ud83d\", {\"_placeholder\":true,\"num\":0}]",`+
			`"attachments":[%q],%q:%q}`, c.except, c.encoding.EncodeToString(attachment), c.key, fmt.Sprint(c))
		if resp, text := w.do(http.MethodPost, "/v1/emit", body); resp.StatusCode != 200 {
			t.Fatal(text)
		}
		if m := in.last(); m.Event != "é" || string(m.Args) != `1.0, "<&>\ud83d", {"_placeholder":true,"num":0}` || string(m.Attachments[0]) != string(attachment) {
			t.Errorf("%+v", m)
		}
	}
	if len(out.got) != 0 {
		t.Errorf("the exception got %d", len(out.got))
	}
}

// Clients that come and go at any moment leave nothing behind: no call goes on, and TestMain looks for goroutines.
func TestManyComeAndGo(t *testing.T) {
	w := newWorld(t, settings{})
	var clients sync.WaitGroup
	for i := range 100 {
		clients.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
			defer client.CloseIdleConnections()
			resp, err := client.Do(w.request(http.MethodGet, "/v1/watch", "").WithContext(ctx))
			if err != nil {
				t.Error(err)
				return
			}
			if i%3 == 0 {
				_, _ = resp.Body.Read(make([]byte, 1))
			}
			_ = resp.Body.Close()
		})
	}
	clients.Wait()
	for range 100 {
		if m := <-w.ended; m != watchMethod {
			t.Error(m)
		}
	}
	if watchers := w.feed.Stats().Watchers; watchers != 0 {
		t.Errorf("%d watch on", watchers)
	}
}

// The calls that one gRPC connection may have open are those of one HTTP connection: watches do not keep others out.
func TestWatchesKeepNobodyOut(t *testing.T) {
	w := newWorld(t, settings{streams: 1})
	for range 3 {
		w.lines(w.send(w.request(http.MethodGet, "/v1/watch", "")))()
	}
	if resp, text := w.do(http.MethodGet, "/v1/rooms", ""); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

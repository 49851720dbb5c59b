package service

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// The fields of EmitStream and UpdateSockets, and of what was added to Emit, for TestI6EveryAcceptedFieldIsHonoured.
func init() {
	updated := func(t *testing.T, w *world, r *realtimev1.UpdateSocketsRequest) (first, second string) {
		f, g := w.socket(t, "/", "ann"), w.socket(t, "/", "bob")
		if _, err := w.sockets.UpdateSockets(w.ctx, r); err != nil {
			t.Fatal(err)
		}
		return string(f.Info().Data), string(g.Info().Data)
	}
	for name, show := range map[string]func(t *testing.T, w *world) bool{
		"EmitRequest.idempotency_key": func(t *testing.T, w *world) bool {
			w.socket(t, "/", "")
			r := &realtimev1.EmitRequest{Target: everyone(), Event: "x", IdempotencyKey: "k"}
			first, err := w.emit.Emit(w.ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			second, err := w.emit.Emit(w.ctx, r)
			return err == nil && !first.GetReplayed() && second.GetReplayed()
		},
		"EmitStreamRequest.id": func(t *testing.T, w *world) bool {
			return w.emitStream(t).ask(7, &realtimev1.EmitRequest{Target: everyone(), Event: "x"}).GetId() == 7
		},
		"EmitStreamRequest.emit": func(t *testing.T, w *world) bool {
			w.socket(t, "/", "")
			return w.emitStream(t).ask(1, &realtimev1.EmitRequest{Target: everyone(), Event: "x"}).GetEmitted().GetDelivered() == 1
		},
		"UpdateSocketsRequest.target": func(t *testing.T, w *world) bool {
			a, b := updated(t, w, &realtimev1.UpdateSocketsRequest{Target: &realtimev1.Target{Users: []string{"ann"}}, Data: "1"})
			return a == "1" && b == ""
		},
		"UpdateSocketsRequest.data": func(t *testing.T, w *world) bool {
			a, b := updated(t, w, &realtimev1.UpdateSocketsRequest{Target: everyone(), Data: `{"a":1}`})
			return a == `{"a":1}` && b == a
		},
	} {
		honoured[protoreflect.FullName(name)] = show
	}
}

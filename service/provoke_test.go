package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// provoked has, for rows of statusRows and of what gRPC itself refuses, a call that ends so: over a connection, as callers
// see it. What limits callers has tests of its own.
var provoked = map[string]struct {
	code   codes.Code
	reason string
	fields []string
	change func(*Config)
	call   func(t *testing.T, w *world) error
}{
	"bad request": {codes.InvalidArgument, "", []string{"event", "target.sockets[0]"}, nil, func(_ *testing.T, w *world) error {
		return w.emits(w.ctx, &realtimev1.EmitRequest{Target: &realtimev1.Target{Sockets: []string{"x"}}})
	}},
	"no namespace": {codes.NotFound, "NAMESPACE_NOT_FOUND", nil, nil, func(_ *testing.T, w *world) error {
		return w.emits(w.ctx, &realtimev1.EmitRequest{Target: &realtimev1.Target{Namespace: "/nobody"}, Event: "x"})
	}},
	"no socket": {codes.NotFound, "SOCKET_NOT_FOUND", nil, nil, func(_ *testing.T, w *world) error {
		_, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{SocketId: testID.String()})
		return err
	}},
	"another node": {codes.NotFound, "NODE_NOT_FOUND", nil, nil, func(_ *testing.T, w *world) error {
		return w.replies(&ackToken{node: "n0", namespace: "/", socket: testID})
	}},
	"answered before": {codes.FailedPrecondition, "ACK_UNKNOWN", nil, nil, func(t *testing.T, w *world) error {
		f := w.socket(t, "/", "")
		f.onReply = func(uint64) error { return rooms.ErrAckUnknown }
		return w.replies(&ackToken{node: "n1", namespace: "/", socket: f.ID()})
	}},
	"shut down": {codes.Unavailable, "SHUTTING_DOWN", nil, nil, func(_ *testing.T, w *world) error {
		w.svc.Shutdown()
		watch, err := w.events.Watch(w.ctx, &realtimev1.WatchRequest{})
		if err == nil {
			_, err = watch.Recv()
		}
		return err
	}},
	"another filter": {codes.FailedPrecondition, "GROUP_MISMATCH", nil, nil, func(t *testing.T, w *world) error {
		w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
		return w.joins(&realtimev1.ConsumeOpen{Group: "g", EventNames: []string{"x"}})
	}},
	"one group too many": {
		codes.ResourceExhausted, "TOO_MANY_GROUPS", nil,
		func(c *Config) { c.Feed, _ = feed.New(feed.Config{Groups: feed.GroupConfig{MaxGroups: 1}}) },
		func(t *testing.T, w *world) error {
			w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
			return w.joins(&realtimev1.ConsumeOpen{Group: "h"})
		},
	},
	"cancelled": {codes.Canceled, "", nil, nil, func(_ *testing.T, w *world) error {
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		watch, err := w.events.Watch(ctx, &realtimev1.WatchRequest{})
		if err == nil {
			_, err = watch.Recv()
		}
		cancel()
		for err == nil {
			_, err = watch.Recv()
		}
		return err
	}},
	"too late": {codes.DeadlineExceeded, "", nil, nil, func(t *testing.T, w *world) error {
		w.socket(t, "/", "")
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
		defer cancel()
		stream, err := w.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "x"})
		for err == nil {
			_, err = stream.Recv()
		}
		return err
	}},
	"panic": {codes.Internal, "", nil, nil, func(t *testing.T, w *world) error {
		w.socket(t, "/", "").onDeliver = func(*rooms.Message) bool { panic("a bug") }
		return w.emits(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "x"})
	}},
	"too large": {codes.ResourceExhausted, "", nil, nil, func(_ *testing.T, w *world) error {
		return w.emits(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: strings.Repeat("x", 5<<20)})
	}},
	"unknown method": {codes.Unimplemented, "", nil, nil, func(_ *testing.T, w *world) error {
		return w.conn.Invoke(w.ctx, "/realtime.v1.EmitService/Later", &realtimev1.EmitRequest{}, &realtimev1.EmitResponse{})
	}},
}

func (w *world) emits(ctx context.Context, r *realtimev1.EmitRequest) error {
	_, err := w.emit.Emit(ctx, r)
	return err
}

func (w *world) replies(token *ackToken) error {
	_, err := w.events.Reply(w.ctx, &realtimev1.ReplyRequest{AckToken: token.String()})
	return err
}

func (w *world) joins(open *realtimev1.ConsumeOpen) error {
	stream, err := w.events.Consume(w.ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Open{Open: open}}); err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

// Callers see the statuses that are documented, with their details, and no word of the Go code behind them.
func TestStatusesOverAConnection(t *testing.T) {
	for name, tt := range provoked {
		t.Run(name, func(t *testing.T) {
			changes := []func(*Config){}
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			err := tt.call(t, newWorld(t, changes...))
			wantStatus(t, err, tt.code, tt.reason, tt.fields...)
			for _, word := range []string{"service:", "rooms:", "feed:", "bug", ".go:"} {
				if text := status.Convert(err).Message(); strings.Contains(text, word) {
					t.Errorf("%q has %q", text, word)
				}
			}
		})
	}
}

// Every status of statusRows is provoked, by code and reason, or has its tests beside what limits callers.
func TestEveryStatusIsProvoked(t *testing.T) {
	seen := map[documented]bool{}
	for _, tt := range provoked {
		seen[documented{code: codeName(tt.code), reason: tt.reason}] = true
	}
	for _, row := range statusRows {
		switch row.reason {
		case "IDEMPOTENCY_CONFLICT", "TOKEN_INVALID", "METHOD_NOT_ALLOWED", "NAMESPACE_NOT_ALLOWED", "RATE_LIMITED", "TOO_MANY_STREAMS":
		default:
			if want := (documented{code: codeName(row.code), reason: row.reason}); !seen[want] {
				t.Errorf("nothing provokes %+v", want)
			}
		}
	}
}

package service

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestGetSocket(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/chat", "ann", "b", "a")
	id := f.info.ID
	f.info = testInfo
	f.info.ID = id
	want := proto.CloneOf(testSocket)
	want.Id = id.String()
	got, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: "/chat", SocketId: id.String()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetSocket(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	_, err = w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{SocketId: id.String()}) // in "/"
	wantStatus(t, err, codes.NotFound, "SOCKET_NOT_FOUND")
	_, err = w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: "/none", SocketId: id.String()})
	wantStatus(t, err, codes.NotFound, "NAMESPACE_NOT_FOUND")
	f.ns.Remove(f)
	_, err = w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: "/chat", SocketId: id.String()})
	wantStatus(t, err, codes.NotFound, "SOCKET_NOT_FOUND")
}

// listSockets returns the ids of the sockets and the sizes of the batches.
func listSockets(t *testing.T, w *world, target *realtimev1.Target) (ids []string, batches []int) {
	t.Helper()
	stream, err := w.sockets.ListSockets(w.ctx, &realtimev1.ListSocketsRequest{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			slices.Sort(ids)
			return ids, batches
		}
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, len(batch.GetSockets()))
		for _, s := range batch.GetSockets() {
			ids = append(ids, s.GetId())
		}
	}
}

func TestListSockets(t *testing.T) {
	w := newWorld(t)
	var want []string
	for range maxSocketBatch*2 + 1 {
		want = append(want, w.socket(t, "/", "ann", "r").ID().String())
	}
	w.socket(t, "/", "bob")
	slices.Sort(want)
	ids, batches := listSockets(t, w, &realtimev1.Target{Users: []string{"ann"}, Rooms: []string{"r"}})
	if !slices.Equal(ids, want) || !slices.Equal(batches, []int{maxSocketBatch, maxSocketBatch, 1}) {
		t.Errorf("%d sockets in batches of %v", len(ids), batches)
	}
	if ids, batches := listSockets(t, w, inRooms("empty")); len(ids)+len(batches) != 0 {
		t.Errorf("%d sockets in batches of %v", len(ids), batches)
	}
}

// Batches are bounded in bytes, too.
func TestListSocketsWithMuchData(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.socket(t, "/", "").info.Data = make([]byte, maxSocketBatchBytes/2)
	}
	if _, batches := listSockets(t, w, everyone()); !slices.Equal(batches, []int{2, 2, 1}) {
		t.Errorf("batches of %v", batches)
	}
}

func TestListSocketsEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	w.socket(t, "/", "")
	w.svc.Shutdown()
	stream, err := w.sockets.ListSockets(w.ctx, &realtimev1.ListSocketsRequest{Target: everyone()})
	if err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

func TestCountSockets(t *testing.T) {
	w := newWorld(t)
	a := w.socket(t, "/", "ann", "r")
	w.socket(t, "/", "bob", "r")
	w.socket(t, "/chat", "ann", "r")
	for _, tt := range []struct {
		target *realtimev1.Target
		want   uint32
	}{
		{everyone(), 2},
		{&realtimev1.Target{Namespace: "/chat"}, 1},
		{inRooms("r"), 2},
		{&realtimev1.Target{Users: []string{"ann"}, Sockets: []string{a.ID().String()}}, 1}, // a union, each once
		{&realtimev1.Target{Users: []string{"ann"}, Rooms: []string{"r"}}, 2},
		{&realtimev1.Target{Rooms: []string{a.ID().String()}}, 1}, // the room named by its id
		{&realtimev1.Target{Rooms: []string{"r"}, ExceptSockets: []string{a.ID().String()}}, 1},
		{&realtimev1.Target{ExceptRooms: []string{"r"}}, 0},
		{&realtimev1.Target{Sockets: []string{rooms.NewSocketID().String()}}, 0},
	} {
		got, err := w.sockets.CountSockets(w.ctx, &realtimev1.CountSocketsRequest{Target: tt.target})
		if err != nil || got.GetCount() != tt.want {
			t.Errorf("%v: count %v, error %v, want %d", tt.target, got, err, tt.want)
		}
	}
}

func TestDisconnectSockets(t *testing.T) {
	w := newWorld(t)
	in, out := w.socket(t, "/", "", "r"), w.socket(t, "/", "")
	for _, closeConnection := range []bool{false, true} {
		got, err := w.sockets.DisconnectSockets(w.ctx, &realtimev1.DisconnectSocketsRequest{
			Target: inRooms("r"), CloseConnection: closeConnection,
		})
		if err != nil || got.GetMatched() != 1 {
			t.Errorf("answer %v, error %v", got, err)
		}
	}
	if !slices.Equal(in.closed, []bool{false, true}) || len(out.closed) != 0 {
		t.Errorf("disconnected with %v, the other with %v", in.closed, out.closed)
	}
}

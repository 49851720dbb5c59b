package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/access"
)

// newGuarded is newWorld with a file of tokens.
func newGuarded(tb testing.TB, tokens string, change ...func(*access.Config)) *world {
	tb.Helper()
	cfg := access.Config{TokensFile: filepath.Join(tb.TempDir(), "tokens.yaml")}
	for _, c := range change {
		c(&cfg)
	}
	if err := os.WriteFile(cfg.TokensFile, []byte(tokens), 0o600); err != nil {
		tb.Fatal(err)
	}
	guard, err := access.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return newWorldOn(tb, ServerConfig{Guard: guard})
}

// with returns a context whose calls have the token of that name: see tokenOf.
func (w *world) with(name string) context.Context {
	return metadata.AppendToOutgoingContext(w.ctx, "authorization", "Bearer "+tokenOf(name))
}

func tokenOf(name string) string { return "the-token-of-" + name }

func entryOf(name, rights string) string {
	return fmt.Sprintf("- {name: %s, token: %s%s}\n", name, tokenOf(name), rights)
}

// allMethods returns all of realtime.v1.
func allMethods() (list []protoreflect.MethodDescriptor) {
	for _, file := range []protoreflect.FileDescriptor{
		realtimev1.File_realtime_v1_emit_service_proto,
		realtimev1.File_realtime_v1_room_service_proto,
		realtimev1.File_realtime_v1_socket_service_proto,
		realtimev1.File_realtime_v1_event_service_proto,
		realtimev1.File_realtime_v1_admission_service_proto,
		realtimev1.File_realtime_v1_node_service_proto,
	} {
		of := file.Services().Get(0).Methods()
		for i := range of.Len() {
			list = append(list, of.Get(i))
		}
	}
	return list
}

// callEmpty makes a call with an empty request and returns what it ends with, or what its first response comes with.
func callEmpty(ctx context.Context, w *world, m protoreflect.MethodDescriptor) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	request, response := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if !m.IsStreamingClient() && !m.IsStreamingServer() {
		return w.conn.Invoke(ctx, name, request, response)
	}
	stream, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, name)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err = stream.RecvMsg(response); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Each method needs a token, and the right to call it.
func TestEveryMethodNeedsItsRight(t *testing.T) {
	var tokens strings.Builder
	for _, m := range allMethods() {
		tokens.WriteString(entryOf(string(m.Name()), fmt.Sprintf(", methods: [%s/%s]", m.Parent().Name(), m.Name())))
	}
	w := newGuarded(t, tokens.String())
	for _, m := range allMethods() {
		wantStatus(t, callEmpty(w.ctx, w, m), codes.Unauthenticated, "TOKEN_INVALID")
		for _, other := range allMethods() {
			err := callEmpty(w.with(string(other.Name())), w, m)
			if m == other {
				if code := status.Code(err); code == codes.PermissionDenied || code == codes.Unauthenticated {
					t.Errorf("%s with its right: %v", m.Name(), err)
				}
				continue
			}
			wantStatus(t, err, codes.PermissionDenied, "METHOD_NOT_ALLOWED")
		}
	}
}

// Each makes a call that touches one namespace and returns what the call, or the one of many requests, ends with. A method that
// is added without one fails here.
var touching = map[protoreflect.Name]func(ctx context.Context, w *world, namespace string) error{
	"Emit": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.emit.Emit(ctx, &realtimev1.EmitRequest{Target: inNamespace(namespace), Event: "e"})
		return err
	},
	"EmitStream": func(ctx context.Context, w *world, namespace string) error {
		stream, err := w.emit.EmitStream(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = stream.CloseSend() }()
		_ = stream.Send(&realtimev1.EmitStreamRequest{Emit: &realtimev1.EmitRequest{Target: inNamespace(namespace), Event: "e"}})
		r, err := stream.Recv()
		return inBand(r.GetError(), err)
	},
	"EmitWithAck": func(ctx context.Context, w *world, namespace string) error {
		stream, err := w.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{Target: inNamespace(namespace), Event: "e", Timeout: soon})
		return firstOf(stream, err)
	},
	"JoinRooms": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.rooms.JoinRooms(ctx, &realtimev1.JoinRoomsRequest{Target: inNamespace(namespace), Rooms: []string{"r"}})
		return err
	},
	"LeaveRooms": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.rooms.LeaveRooms(ctx, &realtimev1.LeaveRoomsRequest{Target: inNamespace(namespace), Rooms: []string{"r"}})
		return err
	},
	"ListRooms": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.rooms.ListRooms(ctx, &realtimev1.ListRoomsRequest{Namespace: namespace})
		return err
	},
	"GetSocket": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.sockets.GetSocket(ctx, &realtimev1.GetSocketRequest{Namespace: namespace, SocketId: rooms.NewSocketID().String()})
		return err
	},
	"ListSockets": func(ctx context.Context, w *world, namespace string) error {
		stream, err := w.sockets.ListSockets(ctx, &realtimev1.ListSocketsRequest{Target: inNamespace(namespace)})
		return firstOf(stream, err)
	},
	"CountSockets": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.sockets.CountSockets(ctx, &realtimev1.CountSocketsRequest{Target: inNamespace(namespace)})
		return err
	},
	"UpdateSockets": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.sockets.UpdateSockets(ctx, &realtimev1.UpdateSocketsRequest{Target: inNamespace(namespace)})
		return err
	},
	"DisconnectSockets": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.sockets.DisconnectSockets(ctx, &realtimev1.DisconnectSocketsRequest{Target: inNamespace(namespace)})
		return err
	},
	"Watch": func(ctx context.Context, w *world, namespace string) error { return watching(ctx, w, namespace) },
	"Consume": func(ctx context.Context, w *world, namespace string) error {
		return consuming(ctx, w, &realtimev1.ConsumeOpen{Group: "g" + namespace, Namespaces: []string{namespace}})
	},
	"Reply": func(ctx context.Context, w *world, namespace string) error {
		_, err := w.events.Reply(ctx, &realtimev1.ReplyRequest{AckToken: ackOf(namespace)})
		return err
	},
	"Admit": func(ctx context.Context, w *world, namespace string) error {
		return admitting(ctx, w, &realtimev1.AdmitAttach{Namespaces: []string{namespace}})
	},
}

func inNamespace(namespace string) *realtimev1.Target {
	return &realtimev1.Target{Namespace: namespace}
}

// ackOf is the token of an acknowledgement that nobody waits for.
func ackOf(namespace string) string {
	token := ackToken{node: "n1", namespace: namespace, socket: rooms.NewSocketID(), ack: 1}
	return token.String()
}

// firstOf returns what a stream's first response comes with.
func firstOf[R any](stream grpc.ServerStreamingClient[R], err error) error {
	if err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// inBand returns the error of one of many requests on a stream, or of the stream.
func inBand(s *realtimev1.Status, err error) error {
	if err != nil || s == nil {
		return err
	}
	st := status.New(codes.Code(s.GetCode()), s.GetMessage()).Proto()
	st.Details = s.GetDetails()
	return status.FromProto(st).Err()
}

func watching(ctx context.Context, w *world, namespaces ...string) error {
	stream, err := w.events.Watch(ctx, &realtimev1.WatchRequest{Namespaces: namespaces})
	return firstOf(stream, err)
}

func consuming(ctx context.Context, w *world, open *realtimev1.ConsumeOpen, further ...*realtimev1.ConsumeRequest) error {
	stream, err := w.events.Consume(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.CloseSend() }()
	_ = stream.Send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Open{Open: open}})
	if _, err = stream.Recv(); err != nil || len(further) == 0 {
		return err
	}
	for _, r := range further {
		_ = stream.Send(r)
	}
	r, err := stream.Recv()
	return inBand(r.GetReplyFailed().GetError(), err)
}

func admitting(ctx context.Context, w *world, attach *realtimev1.AdmitAttach) error {
	stream, err := w.admission.Admit(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.CloseSend() }()
	_ = stream.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: attach}})
	_, err = stream.Recv()
	return err
}

// A caller touches its own namespaces and no others, by whatever method; whether others exist it does not learn.
func TestEveryMethodKeepsToNamespaces(t *testing.T) {
	w := newGuarded(t, entryOf("chat", ", namespaces: [/chat, /room-1*]")+entryOf("all", ""))
	for _, m := range allMethods() {
		touch := touching[m.Name()]
		if m.Name() == "Drain" {
			continue // it is about the process: TestWhatNeedsAllNamespaces
		}
		if touch == nil {
			t.Errorf("nothing shows that %s keeps to namespaces", m.Name())
			continue
		}
		for _, namespace := range []string{"", "/", "/room-2", "/nowhere", "/chat2"} {
			err := touch(w.with("chat"), w, namespace)
			if status.Code(err) == codes.Unimplemented {
				t.Logf("%s is not implemented", m.Name())
				continue
			}
			wantStatus(t, err, codes.PermissionDenied, "NAMESPACE_NOT_ALLOWED")
			if err := touch(w.with("all"), w, namespace); status.Code(err) == codes.PermissionDenied {
				t.Errorf("%s in %q with every right: %v", m.Name(), namespace, err)
			}
		}
		if err := touch(w.with("chat"), w, "/chat"); status.Code(err) == codes.PermissionDenied {
			t.Errorf("%s in its namespace: %v", m.Name(), err)
		}
	}
	if len(touching) != len(allMethods())-1 {
		t.Errorf("%d rows, %d methods", len(touching), len(allMethods()))
	}
}

// What reaches beyond single namespaces needs all of them.
func TestWhatNeedsAllNamespaces(t *testing.T) {
	w := newGuarded(t, entryOf("chat", ", namespaces: [/chat]")+entryOf("all", ", namespaces: [/*]"))
	settle := &realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Settle{Settle: &realtimev1.ConsumeSettle{
		Replies: []*realtimev1.ConsumeReply{{AckToken: ackOf("/")}},
	}}}
	for name, do := range map[string]func(ctx context.Context) error{
		"Watch of all":          func(ctx context.Context) error { return watching(ctx, w) },
		"Watch of another, too": func(ctx context.Context) error { return watching(ctx, w, "/chat", "/") },
		"Consume of all":        func(ctx context.Context) error { return consuming(ctx, w, &realtimev1.ConsumeOpen{Group: "all"}) },
		"Admit of all":          func(ctx context.Context) error { return admitting(ctx, w, &realtimev1.AdmitAttach{}) },
		"handshakes": func(ctx context.Context) error {
			return admitting(ctx, w, &realtimev1.AdmitAttach{Namespaces: []string{"/chat"}, Handshakes: true})
		},
		"a reply in another one": func(ctx context.Context) error {
			return consuming(ctx, w, &realtimev1.ConsumeOpen{Group: "g", Namespaces: []string{"/chat"}}, settle)
		},
		"the process": func(ctx context.Context) error {
			stream, err := realtimev1.NewNodeServiceClient(w.conn).Drain(ctx, &realtimev1.DrainRequest{})
			return firstOf(stream, err)
		},
		"whole connections": func(ctx context.Context) error {
			_, err := w.sockets.DisconnectSockets(ctx, &realtimev1.DisconnectSocketsRequest{Target: inNamespace("/chat"), CloseConnection: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, do(w.with("chat")), codes.PermissionDenied, "NAMESPACE_NOT_ALLOWED")
			if err := do(w.with("all")); status.Code(err) == codes.PermissionDenied {
				t.Error(err)
			}
		})
	}
}

func TestLimitsOfCallers(t *testing.T) {
	w := newGuarded(t, entryOf("slow", ", rate: 0.001")+entryOf("narrow", ", max_streams: 1"))
	ask := func() error {
		_, err := w.sockets.CountSockets(w.with("slow"), &realtimev1.CountSocketsRequest{Target: everyone()})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, ask(), codes.ResourceExhausted, "RATE_LIMITED")
	if err := watching(w.with("narrow"), w); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, watching(w.with("narrow"), w), codes.ResourceExhausted, "TOO_MANY_STREAMS")
}

// Whoever is refused is told what to name.
func TestRefusalsNameWhatIsMissing(t *testing.T) {
	w := newGuarded(t, entryOf("chat", ", namespaces: [/chat], methods: [Watch]"))
	for want, err := range map[string]error{
		"realtime.v1.EventService/Reply": touching["Reply"](w.with("chat"), w, "/chat"),
		"/x":                             watching(w.with("chat"), w, "/x"),
		"*":                              watching(w.with("chat"), w),
	} {
		got := metadataOf(err)
		if got["method"]+got["namespace"] != want {
			t.Errorf("%v: %v, want %s", err, got, want)
		}
	}
}

// The line of a call tells who made it; that of a refused one is the guard's.
func TestCallsTellTheirCaller(t *testing.T) {
	out := &log{}
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte(entryOf("chat", ", namespaces: [/chat]")), 0o600); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(out, nil))
	guard, err := access.New(access.Config{TokensFile: path, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOn(t, ServerConfig{Guard: guard}, func(cfg *Config) { cfg.Logger = logger })
	_, err = w.emit.Emit(w.with("chat"), &realtimev1.EmitRequest{Target: inNamespace("/chat"), Event: "connect"})
	wantStatus(t, err, codes.InvalidArgument, "", "event")
	wantStatus(t, touching["Emit"](w.with("chat"), w, "/"), codes.PermissionDenied, "NAMESPACE_NOT_ALLOWED")
	w.svc.Shutdown()
	w.server.GracefulStop() // the lines are written after the answers
	for text, times := range map[string]int{
		"level=INFO": 1, "grpc.code=InvalidArgument": 1, "caller=chat": 2, "reason=NAMESPACE_NOT_ALLOWED": 1, "grpc.code=PermissionDenied": 0, tokenOf("chat"): 0,
	} {
		if got := strings.Count(out.String(), text); got != times {
			t.Errorf("%q is there %d times, not %d:\n%s", text, got, times, out.String())
		}
	}
}

// metadataOf returns the metadata of a status's ErrorInfo.
func metadataOf(err error) map[string]string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()
		}
	}
	return nil
}

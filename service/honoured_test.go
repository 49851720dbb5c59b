package service

import (
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// I6: every field that a request of any service has makes a difference, shown by the case of its name. A field that is
// added to the schema without one fails here.
func TestI6EveryAcceptedFieldIsHonoured(t *testing.T) {
	fields := requestFields()
	for name := range fields {
		if honoured[name] == nil {
			t.Errorf("nothing shows that %s is honoured", name)
		}
	}
	for name, show := range honoured {
		if !fields[name] {
			t.Errorf("no request has a field %s", name)
			continue
		}
		t.Run(string(name), func(t *testing.T) {
			w := newWorld(t)
			if !show(t, w) {
				t.Error("it makes no difference")
			}
		})
	}
}

// requestFields returns every field of every message that a caller may send, without the package's name.
func requestFields() map[protoreflect.FullName]bool {
	fields := map[protoreflect.FullName]bool{}
	var visit func(m protoreflect.MessageDescriptor)
	visit = func(m protoreflect.MessageDescriptor) {
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			name := protoreflect.FullName(m.Name()).Append(field.Name())
			if fields[name] {
				continue
			}
			fields[name] = true
			if sub := field.Message(); sub != nil && sub.ParentFile().Package() == "realtime.v1" {
				visit(sub)
			}
		}
	}
	for _, file := range []protoreflect.FileDescriptor{
		realtimev1.File_realtime_v1_emit_service_proto,
		realtimev1.File_realtime_v1_room_service_proto,
		realtimev1.File_realtime_v1_socket_service_proto,
		realtimev1.File_realtime_v1_event_service_proto,
		realtimev1.File_realtime_v1_admission_service_proto,
		realtimev1.File_realtime_v1_node_service_proto,
	} {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			visit(methods.Get(i).Input())
		}
	}
	return fields
}

// Each case sets one field, beside what is required, and reports whether that had its effect.
var honoured = map[protoreflect.FullName]func(t *testing.T, w *world) bool{
	"Target.namespace": func(t *testing.T, w *world) bool {
		w.socket(t, "/chat", "")
		return count(t, w, &realtimev1.Target{Namespace: "/chat"}) == 1 && count(t, w, everyone()) == 0
	},
	"Target.rooms": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		return count(t, w, inRooms("a")) == 2
	},
	"Target.sockets": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		return count(t, w, &realtimev1.Target{Sockets: []string{f.ID().String()}}) == 1
	},
	"Target.users": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		return count(t, w, &realtimev1.Target{Users: []string{"ann"}}) == 1
	},
	"Target.except_rooms": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		return count(t, w, &realtimev1.Target{ExceptRooms: []string{"a"}}) == 1
	},
	"Target.except_sockets": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		return count(t, w, &realtimev1.Target{ExceptSockets: []string{f.ID().String()}}) == 2
	},

	"EmitRequest.target": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		m := emitted(t, w, f, &realtimev1.EmitRequest{Target: &realtimev1.Target{Users: []string{"ann"}}, Event: "e"})
		return m != nil && emitted(t, w, f, &realtimev1.EmitRequest{Target: inRooms("none"), Event: "e"}) == nil
	},
	"EmitRequest.event": func(t *testing.T, w *world) bool {
		return emitted(t, w, threeSockets(t, w), &realtimev1.EmitRequest{Target: everyone(), Event: "x"}).Event == "x"
	},
	"EmitRequest.arguments": func(t *testing.T, w *world) bool {
		return string(emitted(t, w, threeSockets(t, w), &realtimev1.EmitRequest{Target: everyone(), Event: "x", Arguments: "[1]"}).Args) == "1"
	},
	"EmitRequest.attachments": func(t *testing.T, w *world) bool {
		r := &realtimev1.EmitRequest{Target: everyone(), Event: "x", Attachments: [][]byte{{1}}}
		return len(emitted(t, w, threeSockets(t, w), r).Attachments) == 1
	},
	"EmitRequest.volatile": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		return emitted(t, w, f, &realtimev1.EmitRequest{Target: everyone(), Event: "x", Volatile: true}).Volatile &&
			!emitted(t, w, f, &realtimev1.EmitRequest{Target: everyone(), Event: "x"}).Volatile
	},
	"EmitRequest.uncompressed": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		return emitted(t, w, f, &realtimev1.EmitRequest{Target: everyone(), Event: "x", Uncompressed: true}).NoCompress &&
			!emitted(t, w, f, &realtimev1.EmitRequest{Target: everyone(), Event: "x"}).NoCompress
	},
	// A node that is alone has no sockets but its own: all of them get it, with or without.
	"EmitRequest.local": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		got, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "x", Local: true})
		return err == nil && got.GetDelivered() == 3
	},

	"EmitWithAckRequest.target": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		_, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: inRooms("a"), Event: "e", Timeout: soon})
		return summary.GetMatched() == 2
	},
	"EmitWithAckRequest.event":       func(t *testing.T, w *world) bool { return askedWith(t, w).Event == "e" },
	"EmitWithAckRequest.arguments":   func(t *testing.T, w *world) bool { return string(askedWith(t, w).Args) == "1" },
	"EmitWithAckRequest.attachments": func(t *testing.T, w *world) bool { return len(askedWith(t, w).Attachments) == 1 },
	"EmitWithAckRequest.timeout": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		_, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "e", Timeout: soon})
		return summary.GetTimedOut() == 3 // and not after the 10 seconds of the default, in which the test would be noticed
	},
	"EmitWithAckRequest.uncompressed": func(t *testing.T, w *world) bool { return askedWith(t, w).NoCompress },
	"EmitWithAckRequest.local": func(t *testing.T, w *world) bool {
		answering(w.socket(t, "/", ""), "1")
		answers, _ := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "e", Local: true})
		return len(answers) == 1
	},

	"JoinRoomsRequest.target": func(t *testing.T, w *world) bool { return join(t, w) && count(t, w, inRooms("new")) == 2 },
	"JoinRoomsRequest.rooms":  func(t *testing.T, w *world) bool { return join(t, w) && count(t, w, inRooms("newer")) == 2 },
	"LeaveRoomsRequest.target": func(t *testing.T, w *world) bool {
		leave(t, w)
		return count(t, w, inRooms("a")) == 1
	},
	"LeaveRoomsRequest.rooms": func(t *testing.T, w *world) bool {
		leave(t, w)
		return count(t, w, inRooms("b")) == 1
	},
	"ListRoomsRequest.namespace": func(t *testing.T, w *world) bool {
		w.socket(t, "/chat", "", "a")
		return len(page(t, w, &realtimev1.ListRoomsRequest{Namespace: "/chat"}).GetRooms()) == 1 &&
			len(page(t, w, &realtimev1.ListRoomsRequest{}).GetRooms()) == 0
	},
	"ListRoomsRequest.page_size": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		return len(page(t, w, &realtimev1.ListRoomsRequest{PageSize: 1}).GetRooms()) == 1
	},
	"ListRoomsRequest.page_token": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		first := page(t, w, &realtimev1.ListRoomsRequest{PageSize: 1})
		second := page(t, w, &realtimev1.ListRoomsRequest{PageSize: 1, PageToken: first.GetNextPageToken()})
		return second.GetRooms()[0].GetName() == "b"
	},

	"GetSocketRequest.namespace": func(t *testing.T, w *world) bool {
		f := w.socket(t, "/chat", "")
		_, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: "/chat", SocketId: f.ID().String()})
		return err == nil
	},
	"GetSocketRequest.socket_id": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		got, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{SocketId: f.ID().String()})
		return err == nil && got.GetSocket().GetId() == f.ID().String()
	},
	"ListSocketsRequest.target": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		ids, _ := listSockets(t, w, inRooms("a"))
		return len(ids) == 2
	},
	"CountSocketsRequest.target": func(t *testing.T, w *world) bool {
		threeSockets(t, w)
		return count(t, w, everyone()) == 3 && count(t, w, inRooms("a")) == 2
	},
	"DisconnectSocketsRequest.target": func(t *testing.T, w *world) bool {
		f, other := threeSockets(t, w), w.socket(t, "/", "bob")
		disconnect(t, w, &realtimev1.DisconnectSocketsRequest{Target: &realtimev1.Target{Users: []string{"ann"}}})
		return len(f.closed) == 1 && len(other.closed) == 0
	},
	"DisconnectSocketsRequest.close_connection": func(t *testing.T, w *world) bool {
		f := threeSockets(t, w)
		disconnect(t, w, &realtimev1.DisconnectSocketsRequest{Target: everyone(), CloseConnection: true})
		disconnect(t, w, &realtimev1.DisconnectSocketsRequest{Target: everyone()})
		return f.closed[0] && !f.closed[1]
	},

	"WatchRequest.namespaces": func(t *testing.T, w *world) bool {
		return watched(t, w, &realtimev1.WatchRequest{Namespaces: []string{"/chat"}}).GetNamespace() == "/chat"
	},
	"WatchRequest.kinds": func(t *testing.T, w *world) bool {
		kinds := []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_DISCONNECTED}
		return watched(t, w, &realtimev1.WatchRequest{Kinds: kinds}).GetDisconnected() != nil
	},
	"WatchRequest.event_names": func(t *testing.T, w *world) bool {
		kinds := []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_RECEIVED}
		return watched(t, w, &realtimev1.WatchRequest{Kinds: kinds, EventNames: []string{"1"}}).GetReceived().GetName() == "1"
	},
	"ReplyRequest.ack_token":   func(t *testing.T, w *world) bool { return replied(t, w) != nil },
	"ReplyRequest.arguments":   func(t *testing.T, w *world) bool { return string(replied(t, w).Args) == "1" },
	"ReplyRequest.attachments": func(t *testing.T, w *world) bool { return len(replied(t, w).Attachments) == 1 },

	"AdmitRequest.attach": func(t *testing.T, w *world) bool {
		attach(t, w)
		_, atOnce := w.svc.Admissions().Admit(question("/", ""), func(rooms.Verdict) {})
		return !atOnce
	},
	"AdmitAttach.namespaces": func(t *testing.T, w *world) bool {
		attach(t, w, "/chat")
		_, atOnce := w.svc.Admissions().Admit(question("/", ""), func(rooms.Verdict) {})
		return atOnce
	},
	"AdmitAttach.handshakes": func(t *testing.T, w *world) bool {
		attach(t, w)
		without := w.svc.Admissions().AsksHandshakes()
		d := attachFor(t, w)
		verdict := w.shake(handshake())
		d.refuse(d.asked().GetId(), &realtimev1.AdmitRefuse{Message: "no"})
		return !without && (<-verdict).Message == "no"
	},
	"AdmitRequest.answer": func(t *testing.T, w *world) bool { return accepted(t, w).User == "ann" },
	"AdmitAnswer.question_id": func(t *testing.T, w *world) bool {
		d := attach(t, w)
		first, second := w.admit(t, question("/", "")), w.admit(t, question("/", ""))
		a, b := d.asked(), d.asked()
		d.accept(b.GetId(), &realtimev1.AdmitAccept{User: "b"})
		d.accept(a.GetId(), &realtimev1.AdmitAccept{User: "a"})
		return (<-first).User == "a" && (<-second).User == "b"
	},
	"AdmitAnswer.accept":  func(t *testing.T, w *world) bool { return !accepted(t, w).Refused },
	"AdmitAccept.user":    func(t *testing.T, w *world) bool { return accepted(t, w).User == "ann" },
	"AdmitAccept.rooms":   func(t *testing.T, w *world) bool { return len(accepted(t, w).Rooms) == 1 },
	"AdmitAccept.data":    func(t *testing.T, w *world) bool { return string(accepted(t, w).Data) == "1" },
	"AdmitAnswer.refuse":  func(t *testing.T, w *world) bool { return kept(t, w).Refused },
	"AdmitRefuse.message": func(t *testing.T, w *world) bool { return kept(t, w).Message == "no" },
	"AdmitRefuse.data":    func(t *testing.T, w *world) bool { return string(kept(t, w).ErrorData) == "2" },
}

var soon = durationpb.New(10 * time.Millisecond)

// threeSockets connects three to "/": one in room "a", one in none, and ann's in "a" and "b", which it returns.
func threeSockets(t *testing.T, w *world) *fake {
	t.Helper()
	w.socket(t, "/", "", "a")
	w.socket(t, "/", "")
	return w.socket(t, "/", "ann", "a", "b")
}

func count(t *testing.T, w *world, target *realtimev1.Target) uint32 {
	t.Helper()
	got, err := w.sockets.CountSockets(w.ctx, &realtimev1.CountSocketsRequest{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	return got.GetCount()
}

// emitted returns what f was given, nil for nothing.
func emitted(t *testing.T, w *world, f *fake, r *realtimev1.EmitRequest) *rooms.Message {
	t.Helper()
	f.got = nil
	if _, err := w.emit.Emit(w.ctx, r); err != nil {
		t.Fatal(err)
	}
	if len(f.got) == 0 {
		return nil
	}
	return f.got[0]
}

func join(t *testing.T, w *world) bool {
	t.Helper()
	threeSockets(t, w)
	_, err := w.rooms.JoinRooms(w.ctx, &realtimev1.JoinRoomsRequest{Target: inRooms("a"), Rooms: []string{"new", "newer"}})
	return err == nil
}

// leave takes ann's socket, the one in "b", out of "a".
func leave(t *testing.T, w *world) {
	t.Helper()
	threeSockets(t, w)
	if _, err := w.rooms.LeaveRooms(w.ctx, &realtimev1.LeaveRoomsRequest{Target: inRooms("b"), Rooms: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
}

func page(t *testing.T, w *world, r *realtimev1.ListRoomsRequest) *realtimev1.ListRoomsResponse {
	t.Helper()
	got, err := w.rooms.ListRooms(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func disconnect(t *testing.T, w *world, r *realtimev1.DisconnectSocketsRequest) {
	t.Helper()
	if _, err := w.sockets.DisconnectSockets(w.ctx, r); err != nil {
		t.Fatal(err)
	}
}

// askedWith returns what a socket was given by an EmitWithAck with everything.
func askedWith(t *testing.T, w *world) *rooms.Message {
	t.Helper()
	f := answering(w.socket(t, "/", ""), "1")
	emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "e", Arguments: "[1]", Attachments: [][]byte{{1}}, Uncompressed: true})
	return f.got[0]
}

// watched returns the first event that a watcher sees of two lives, the first of them in "/".
func watched(t *testing.T, w *world, r *realtimev1.WatchRequest) *realtimev1.Event {
	t.Helper()
	stream := watch(t, w, r)
	life(w, "/", 2)
	life(w, "/chat", 2)
	w.svc.Shutdown()
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return m.GetBatch().GetEvents()[0]
}

// replied returns what a socket was given by a Reply with everything.
func replied(t *testing.T, w *world) *rooms.Message {
	t.Helper()
	f := w.socket(t, "/", "")
	token := ackToken{node: "n1", namespace: "/", socket: f.ID(), ack: 7}
	r := &realtimev1.ReplyRequest{AckToken: token.String(), Arguments: "[1]", Attachments: [][]byte{{1}}}
	if _, err := w.events.Reply(w.ctx, r); err != nil {
		t.Fatal(err)
	}
	return f.replies[7]
}

// accepted returns the verdict that an AdmitAccept with everything becomes.
func accepted(t *testing.T, w *world) rooms.Verdict {
	t.Helper()
	d := attach(t, w)
	verdict := w.admit(t, question("/", ""))
	d.accept(d.asked().GetId(), &realtimev1.AdmitAccept{User: "ann", Rooms: []string{"a"}, Data: "1"})
	return <-verdict
}

// kept returns the verdict that an AdmitRefuse with everything becomes.
func kept(t *testing.T, w *world) rooms.Verdict {
	t.Helper()
	d := attach(t, w)
	verdict := w.admit(t, question("/", ""))
	d.refuse(d.asked().GetId(), &realtimev1.AdmitRefuse{Message: "no", Data: "2"})
	return <-verdict
}

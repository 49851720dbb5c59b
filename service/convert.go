package service

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// From values of package rooms to messages; convert_request.go has the other direction.

// text returns what a client sent as a proto string, which must be UTF-8: a string that is not would end the whole
// stream.
func text[T string | []byte](s T) string {
	if t := string(s); utf8.ValidString(t) {
		return t
	}
	return strings.ToValidUTF8(string(s), "\uFFFD")
}

// fromArgs puts the brackets around arguments that rooms carries without.
func fromArgs(args []byte) string {
	if len(args) == 0 {
		return "[]"
	}
	var b strings.Builder
	b.Grow(len(args) + 2)
	b.WriteByte('[')
	b.Write(args)
	b.WriteByte(']')
	return text(b.String())
}

func fromInfo(i *rooms.Info) *realtimev1.Socket {
	return &realtimev1.Socket{
		Id:          i.ID.String(),
		Namespace:   i.Namespace,
		User:        i.User,
		Rooms:       i.Rooms,
		Data:        string(i.Data),
		Transport:   i.Transport,
		ConnectedAt: timestamppb.New(i.ConnectedAt),
		Handshake:   fromHandshake(&i.Handshake),
		Auth:        text(i.Auth),
	}
}

func fromHandshake(h *rooms.Handshake) *realtimev1.Handshake {
	headers := make(map[string]string, len(h.Headers))
	for _, header := range h.Headers {
		name, value := text(header.Name), text(header.Value)
		if before, ok := headers[name]; ok {
			separator := ", "
			if name == "cookie" {
				separator = "; "
			}
			value = before + separator + value
		}
		headers[name] = value
	}
	return &realtimev1.Handshake{
		Address:  h.Address,
		Url:      text(h.URL),
		Headers:  headers,
		Secure:   h.Secure,
		Xdomain:  h.XDomain,
		IssuedAt: timestamppb.New(h.Issued),
		Query:    parseQuery(h.Query),
	}
}

func fromBatch(b *feed.Batch, node string) *realtimev1.WatchResponse {
	batch := &realtimev1.WatchBatch{Missed: b.Missed, Events: make([]*realtimev1.Event, len(b.Events))}
	for i, e := range b.Events {
		batch.Events[i] = fromEvent(e, node)
	}
	return &realtimev1.WatchResponse{Message: &realtimev1.WatchResponse_Batch{Batch: batch}}
}

func fromJoined(j feed.Joined) *realtimev1.ConsumeResponse {
	return &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{
		Created: j.Created, Members: uint32(j.Members), Backlog: uint64(j.Backlog),
	}}}
}

func fromDeliveries(batch []feed.Delivery, node string) *realtimev1.ConsumeResponse {
	// One piece of memory for all: this is a hot path.
	deliveries := make([]realtimev1.ConsumeDelivery, len(batch))
	list := make([]*realtimev1.ConsumeDelivery, len(batch))
	for i := range batch {
		d := &deliveries[i]
		d.Id, d.Attempt, d.Event = batch[i].ID, uint32(batch[i].Attempt), fromEvent(batch[i].Event, node)
		list[i] = d
	}
	return &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{Batch: &realtimev1.ConsumeBatch{Deliveries: list}}}
}

// maxTokenEcho bounds what is given back of an ack token.
const maxTokenEcho = 1024

func fromReplyFailure(r *realtimev1.ConsumeReply, err error) *realtimev1.ConsumeReplyFailed {
	token := r.GetAckToken()
	return &realtimev1.ConsumeReplyFailed{AckToken: text(token[:min(len(token), maxTokenEcho)]), Error: toStatus(err)}
}

// fromEvent leaves Kind unset for a kind that the schema does not have.
func fromEvent(e *rooms.Event, node string) *realtimev1.Event {
	event := &realtimev1.Event{
		Time:      timestamppb.New(e.Time),
		Namespace: e.Namespace,
		User:      e.User,

		Traceparent: e.Trace,
	}
	if e.Socket != (rooms.SocketID{}) {
		event.SocketId = e.Socket.String()
	}
	switch e.Kind {
	case rooms.KindConnected:
		event.Kind = &realtimev1.Event_Connected{Connected: &realtimev1.Connected{
			Socket:    fromInfo(e.Info),
			Auth:      text(e.Auth),
			Recovered: e.Recovered,
		}}
	case rooms.KindEvent:
		event.Kind = &realtimev1.Event_Received{Received: fromReceived(e, node)}
	case rooms.KindDisconnected:
		event.Kind = &realtimev1.Event_Disconnected{Disconnected: &realtimev1.Disconnected{
			Reason:      fromReason(e.Reason),
			Description: text(e.Description),
			Rooms:       e.Rooms,
			Recoverable: e.Recoverable,
		}}
	case rooms.KindExpired:
		event.Kind = &realtimev1.Event_Expired{Expired: &realtimev1.Expired{}}
	case rooms.KindJoined:
		event.Kind = &realtimev1.Event_Joined{Joined: &realtimev1.Joined{Room: e.Room}}
	case rooms.KindLeft:
		event.Kind = &realtimev1.Event_Left{Left: &realtimev1.Left{Room: e.Room}}
	case rooms.KindRoomCreated:
		event.Kind = &realtimev1.Event_RoomCreated{RoomCreated: &realtimev1.RoomCreated{Room: e.Room}}
	case rooms.KindRoomDeleted:
		event.Kind = &realtimev1.Event_RoomDeleted{RoomDeleted: &realtimev1.RoomDeleted{Room: e.Room}}
	}
	return event
}

func fromReceived(e *rooms.Event, node string) *realtimev1.Received {
	received := &realtimev1.Received{
		Name:         text(e.Name),
		NameIsNumber: e.NameIsNumber,
		Arguments:    fromArgs(e.Args),
		Attachments:  e.Attachments,
	}
	if e.WantsAck {
		token := ackToken{node: node, namespace: e.Namespace, socket: e.Socket, ack: e.AckID}
		received.AckToken = token.String()
	}
	return received
}

var reasons = map[rooms.Reason]realtimev1.DisconnectReason{
	rooms.ReasonClientDisconnect:  realtimev1.DisconnectReason_DISCONNECT_REASON_CLIENT_DISCONNECT,
	rooms.ReasonServerDisconnect:  realtimev1.DisconnectReason_DISCONNECT_REASON_SERVER_DISCONNECT,
	rooms.ReasonShuttingDown:      realtimev1.DisconnectReason_DISCONNECT_REASON_SHUTTING_DOWN,
	rooms.ReasonForcedServerClose: realtimev1.DisconnectReason_DISCONNECT_REASON_FORCED_SERVER_CLOSE,
	rooms.ReasonForcedClose:       realtimev1.DisconnectReason_DISCONNECT_REASON_FORCED_CLOSE,
	rooms.ReasonTransportClose:    realtimev1.DisconnectReason_DISCONNECT_REASON_TRANSPORT_CLOSE,
	rooms.ReasonTransportError:    realtimev1.DisconnectReason_DISCONNECT_REASON_TRANSPORT_ERROR,
	rooms.ReasonPingTimeout:       realtimev1.DisconnectReason_DISCONNECT_REASON_PING_TIMEOUT,
	rooms.ReasonParseError:        realtimev1.DisconnectReason_DISCONNECT_REASON_PARSE_ERROR,
}

// fromReason returns UNSPECIFIED for a reason that the schema does not have.
func fromReason(r rooms.Reason) realtimev1.DisconnectReason { return reasons[r] }

func fromAnswer(a *rooms.Answer) *realtimev1.EmitWithAckResponse {
	return &realtimev1.EmitWithAckResponse{Result: &realtimev1.EmitWithAckResponse_Answer{Answer: &realtimev1.AckAnswer{
		SocketId:    a.Socket.String(),
		Arguments:   fromArgs(a.Args),
		Attachments: a.Attachments,
	}}}
}

func fromQuestion(q *asked) *realtimev1.AdmitResponse {
	question := &realtimev1.AdmitQuestion{Id: q.id, Deadline: timestamppb.New(q.deadline)}
	if q.question.AboutHandshake() {
		question.Subject = &realtimev1.AdmitQuestion_Handshake{Handshake: &realtimev1.AdmitHandshake{
			Handshake: fromHandshake(q.question.Handshake),
			Transport: q.question.Transport,
		}}
	} else {
		question.Subject = &realtimev1.AdmitQuestion_Socket{Socket: &realtimev1.AdmitSocket{
			Namespace: q.question.Namespace,
			SocketId:  q.question.Socket.String(),
			Handshake: fromHandshake(q.question.Handshake),
			Auth:      text(q.question.Auth),
		}}
	}
	return &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Question{Question: question}}
}

func fromViolations(id uint64, violations []*errdetails.BadRequest_FieldViolation) *realtimev1.AdmitRejected {
	rejected := &realtimev1.AdmitRejected{QuestionId: id}
	for _, v := range violations {
		rejected.Violations = append(rejected.Violations, &realtimev1.AdmitViolation{Field: v.GetField(), Description: v.GetDescription()})
	}
	return rejected
}

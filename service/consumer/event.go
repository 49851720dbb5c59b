package consumer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Errors of [Event.Reply] and [Event.ReplyJSON].
var (
	// ErrReplied says that the event was replied to already.
	ErrReplied = errors.New("consumer: the event has a reply already")
	// ErrHandled says that the handler has returned. EventService.Reply answers later than that.
	ErrHandled = errors.New("consumer: the event's handler has returned")
)

// Event is one delivery of an event.
type Event struct {
	// Event is what happened. Read only: the methods of its message are this type's, too.
	*realtimev1.Event
	// Attempt is how often the event has been delivered to the group, this time included: 1 for the first time.
	Attempt uint32

	mu    sync.Mutex // guards the following
	over  bool       // the handler has returned
	reply *realtimev1.ConsumeReply
}

// Bind reads the arguments of a received event into what args point to, one after the other, as encoding/json does. A nil skips an
// argument, and further arguments are ignored. Binary values are not among them, but placeholders for the attachments.
//
// It fails if the event is not a received one, has fewer arguments, or one of another type.
func (e *Event) Bind(args ...any) error {
	received := e.GetReceived()
	if received == nil {
		return errors.New("consumer: the event has no arguments, it was not received from a client")
	}
	decoder := json.NewDecoder(strings.NewReader(received.GetArguments()))
	if _, err := decoder.Token(); err != nil { // the opening bracket
		return fmt.Errorf("consumer: arguments: %w", err)
	}
	for i, arg := range args {
		if !decoder.More() {
			return fmt.Errorf("consumer: the event has %d arguments, not %d", i, len(args))
		}
		if arg == nil {
			arg = new(json.RawMessage)
		}
		if err := decoder.Decode(arg); err != nil {
			return fmt.Errorf("consumer: argument %d: %w", i, err)
		}
	}
	return nil
}

// WantsReply says whether the client waits for a reply.
func (e *Event) WantsReply() bool { return e.GetReceived().GetAckToken() != "" }

// Reply answers the client's acknowledgement with args, each written as encoding/json does, but for HTML's characters, which stay. The
// answer leaves together with the event's own acknowledgement, that is when the handler returns nil or an error of [Drop]; of a handler that
// fails otherwise nothing is sent. If the client waits for no reply, nothing happens.
//
// Errors: ErrReplied, ErrHandled, and those of encoding/json.
func (e *Event) Reply(args ...any) error {
	if !e.WantsReply() {
		return nil
	}
	text, err := marshal(args)
	if err != nil {
		return err
	}
	return e.ReplyJSON(text)
}

// ReplyJSON is Reply with arguments that are JSON already: the text of an array, or empty for none. Where {"_placeholder":true,"num":i}
// stands in it, the client gets attachments[i]. The attachments are not to be changed any more.
//
// Errors: ErrReplied, ErrHandled. What is wrong with the text, the server finds out: [Config.ReplyFailed].
func (e *Event) ReplyJSON(arguments string, attachments ...[]byte) error {
	if !e.WantsReply() {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.over:
		return ErrHandled
	case e.reply != nil:
		return ErrReplied
	}
	e.reply = &realtimev1.ConsumeReply{AckToken: e.GetReceived().GetAckToken(), Arguments: arguments, Attachments: attachments}
	return nil
}

// end takes the reply; there can be none afterwards.
func (e *Event) end() *realtimev1.ConsumeReply {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	return e.reply
}

// marshal writes a JSON array. It leaves <, > and & alone, which json.Marshal would write as escapes, even those in a json.RawMessage.
func marshal(args []any) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(args); err != nil {
		return "", fmt.Errorf("consumer: reply: %w", err)
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// delivery is an event on its way through this package.
type delivery struct {
	Event

	// Fixed when it comes in.
	id     uint64  // of the delivery, in its stream
	stream *stream // that it came on
	until  time.Time
	pass   uint64 // lane.pass at that time

	next *delivery    // guarded by the dispatcher's mutex: the next in its lane
	ctx  eventContext // made when its handler begins
}

// key names what is handled one after the other: a socket, or the events of a namespace's rooms that belong to none.
type key struct{ namespace, socket string }

func (d *delivery) key() key { return key{d.GetNamespace(), d.GetSocketId()} }

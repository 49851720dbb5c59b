package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

type watchCommand struct {
	Namespaces []string `name:"namespace" short:"n" placeholder:"NAME" help:"Namespace; may be given several times. All, if none is."`
	Events     []string `name:"event" short:"e" sep:"none" placeholder:"NAME" help:"Only events of this name from clients; may be given several times."`
	Kinds      []string `name:"kind" short:"k" enum:"connected,received,disconnected,expired,joined,left,room-created,room-deleted" placeholder:"KIND" help:"Only this kind: ${enum}. Connected, received and disconnected, if none is given."`
}

// Run prints events until ctx ends. It does not come back by itself when the service goes away: what happens meanwhile would be missing unseen.
func (w *watchCommand) Run(c *call) error {
	r := &realtimev1.WatchRequest{Namespaces: w.Namespaces, EventNames: w.Events}
	for _, kind := range w.Kinds {
		name := "EVENT_KIND_" + strings.ToUpper(strings.ReplaceAll(kind, "-", "_"))
		r.Kinds = append(r.Kinds, realtimev1.EventKind(realtimev1.EventKind_value[name]))
	}
	err := c.with(false, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := realtimev1.NewEventServiceClient(conn).Watch(ctx, r)
		if err != nil {
			return err
		}
		for {
			message, err := stream.Recv()
			if err != nil {
				return err
			}
			if n := message.GetBatch().GetMissed(); n > 0 && !c.out.json {
				c.out.line("%s", c.out.paint(red, fmt.Sprintf("%d events were missed", n)))
			}
			for _, e := range message.GetBatch().GetEvents() {
				if err := c.out.message(e, func() { c.out.line("%s", c.out.event(e)) }); err != nil {
					return err
				}
			}
		}
	})
	if status.Code(err) == codes.Canceled && c.ctx.Err() != nil {
		err = nil // the person has seen enough
	}
	return err
}

// event is one in a line.
func (p *printer) event(e *realtimev1.Event) string {
	what, color, more := "?", faint, ""
	switch kind := e.GetKind().(type) {
	case *realtimev1.Event_Connected:
		what, color, more = "connected", green, kind.Connected.GetSocket().GetTransport()
		if kind.Connected.GetRecovered() {
			more += " (recovered)"
		}
	case *realtimev1.Event_Received:
		what, color, more = "received", cyan, kind.Received.GetName()+" "+kind.Received.GetArguments()
		if n := len(kind.Received.GetAttachments()); n > 0 {
			more += fmt.Sprintf(" +%d binary", n)
		}
		if kind.Received.GetAckToken() != "" {
			more += " (wants an answer)"
		}
	case *realtimev1.Event_Disconnected:
		reason := strings.TrimPrefix(kind.Disconnected.GetReason().String(), "DISCONNECT_REASON_")
		what, color, more = "disconnected", red, strings.ToLower(strings.ReplaceAll(reason, "_", " "))
	case *realtimev1.Event_Expired:
		what = "expired"
	case *realtimev1.Event_Joined:
		what, more = "joined", kind.Joined.GetRoom()
	case *realtimev1.Event_Left:
		what, more = "left", kind.Left.GetRoom()
	case *realtimev1.Event_RoomCreated:
		what, more = "room created", kind.RoomCreated.GetRoom()
	case *realtimev1.Event_RoomDeleted:
		what, more = "room deleted", kind.RoomDeleted.GetRoom()
	}
	at := e.GetTime().AsTime().Local().Format("15:04:05.000")
	who := strings.TrimSpace(orDash(e.GetSocketId()) + " " + e.GetUser())
	return strings.TrimRight(fmt.Sprintf("%s %s %s %s %s", p.paint(faint, at), e.GetNamespace(), who, p.paint(color, fmt.Sprintf("%-12s", what)), more), " ")
}

type drainCommand struct {
	Rate uint32 `help:"Sessions to end each second. 0: as the service is configured."`
}

// Run drains the node, and tells how far that is.
func (d *drainCommand) Run(c *call) error {
	return c.with(false, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := realtimev1.NewNodeServiceClient(conn).Drain(ctx, &realtimev1.DrainRequest{SessionsPerSecond: d.Rate})
		if err != nil {
			return err
		}
		for {
			r, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.out.message(r, func() { c.out.line("%s left", count(r.GetSessions(), "session")) }); err != nil {
				return err
			}
		}
	})
}

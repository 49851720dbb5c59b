package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

type roomsCommand struct {
	Namespace string `name:"namespace" short:"n" default:"/" placeholder:"NAME" help:"Namespace."`
}

// Run lists all rooms, page by page.
func (r *roomsCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		var rows [][]string
		for token := ""; ; {
			page, err := realtimev1.NewRoomServiceClient(conn).ListRooms(ctx, &realtimev1.ListRoomsRequest{Namespace: r.Namespace, PageToken: token})
			if err != nil {
				return err
			}
			for _, room := range page.GetRooms() {
				if err := c.out.message(room, func() { rows = append(rows, []string{room.GetName(), fmt.Sprint(room.GetSockets())}) }); err != nil {
					return err
				}
			}
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		if !c.out.json {
			c.out.table([]string{"ROOM", "SOCKETS"}, rows, "no rooms")
		}
		return nil
	})
}

type socketsCommand struct {
	List       listCommand       `cmd:"" default:"withargs" help:"List them."`
	Get        getCommand        `cmd:"" help:"Show all of one."`
	Count      countCommand      `cmd:"" help:"Count them."`
	Join       joinCommand       `cmd:"" help:"Put them into a room."`
	Leave      leaveCommand      `cmd:"" help:"Take them out of a room."`
	Disconnect disconnectCommand `cmd:"" help:"Disconnect them."`
}

type listCommand struct {
	target `embed:""`
}

// Run lists sockets as they come.
func (l *listCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := realtimev1.NewSocketServiceClient(conn).ListSockets(ctx, &realtimev1.ListSocketsRequest{Target: l.proto()})
		if err != nil {
			return err
		}
		var rows [][]string
		for {
			batch, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			for _, s := range batch.GetSockets() {
				if err := c.out.message(s, func() { rows = append(rows, rowOf(s)) }); err != nil {
					return err
				}
			}
		}
		if !c.out.json {
			c.out.table([]string{"SOCKET", "USER", "TRANSPORT", "CONNECTED", "ADDRESS", "ROOMS"}, rows, "no sockets")
		}
		return nil
	})
}

func rowOf(s *realtimev1.Socket) []string {
	return []string{
		s.GetId(), orDash(s.GetUser()), s.GetTransport(), s.GetConnectedAt().AsTime().Local().Format(time.DateTime),
		orDash(s.GetHandshake().GetAddress()), orDash(strings.Join(s.GetRooms(), ", ")),
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

type getCommand struct {
	Namespace string `name:"namespace" short:"n" default:"/" placeholder:"NAME" help:"Namespace."`
	ID        string `arg:"" help:"Id of the socket."`
}

// Run shows one socket.
func (g *getCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewSocketServiceClient(conn).GetSocket(ctx, &realtimev1.GetSocketRequest{Namespace: g.Namespace, SocketId: g.ID})
		if err != nil {
			return err
		}
		s := r.GetSocket()
		return c.out.message(s, func() {
			rows := [][]string{
				{"socket", s.GetId()}, {"namespace", s.GetNamespace()}, {"user", orDash(s.GetUser())}, {"transport", s.GetTransport()},
				{"connected", s.GetConnectedAt().AsTime().Local().Format(time.DateTime)}, {"address", orDash(s.GetHandshake().GetAddress())},
				{"rooms", orDash(strings.Join(s.GetRooms(), ", "))}, {"data", orDash(s.GetData())}, {"url", orDash(s.GetHandshake().GetUrl())},
			}
			for _, row := range rows {
				c.out.line("%s %s", c.out.paint(faint, fmt.Sprintf("%-10s", row[0])), row[1])
			}
		})
	})
}

type countCommand struct {
	target `embed:""`
}

// Run counts sockets.
func (n *countCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewSocketServiceClient(conn).CountSockets(ctx, &realtimev1.CountSocketsRequest{Target: n.proto()})
		if err != nil {
			return err
		}
		return c.out.message(r, func() { c.out.line("%d", r.GetCount()) })
	})
}

type joinCommand struct {
	To     string `arg:"" name:"to" help:"Room that they join."`
	target `embed:""`
}

// Run puts sockets into a room.
func (j *joinCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewRoomServiceClient(conn).JoinRooms(ctx, &realtimev1.JoinRoomsRequest{Target: j.proto(), Rooms: []string{j.To}})
		if err != nil {
			return err
		}
		return c.out.message(r, func() { c.out.line("%s in %s", count(r.GetMatched(), "socket"), j.To) })
	})
}

type leaveCommand struct {
	From   string `arg:"" name:"from" help:"Room that they leave."`
	target `embed:""`
}

// Run takes sockets out of a room.
func (l *leaveCommand) Run(c *call) error {
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewRoomServiceClient(conn).LeaveRooms(ctx, &realtimev1.LeaveRoomsRequest{Target: l.proto(), Rooms: []string{l.From}})
		if err != nil {
			return err
		}
		return c.out.message(r, func() { c.out.line("%s not in %s", count(r.GetMatched(), "socket"), l.From) })
	})
}

type disconnectCommand struct {
	All    bool `help:"All of the namespace, where nothing else says whom."`
	Close  bool `help:"Close their connections, and so end their sockets in other namespaces."`
	target `embed:""`
}

// Run disconnects sockets.
func (d *disconnectCommand) Run(c *call) error {
	if !d.narrow() && !d.All {
		return &usageError{errors.New("say whom to disconnect, or --all")}
	}
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewSocketServiceClient(conn).DisconnectSockets(ctx, &realtimev1.DisconnectSocketsRequest{
			Target: d.proto(), CloseConnection: d.Close,
		})
		if err != nil {
			return err
		}
		return c.out.message(r, func() { c.out.line("%s disconnected", count(r.GetMatched(), "socket")) })
	})
}

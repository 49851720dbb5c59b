package service

import (
	"cmp"
	"context"

	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/access"
)

// A batch of ListSockets is sent when it has this many sockets or bytes.
const (
	maxSocketBatch      = 256
	maxSocketBatchBytes = 1 << 20
)

type socketServer struct {
	realtimev1.UnimplementedSocketServiceServer
	*Service
}

func (s *socketServer) GetSocket(ctx context.Context, r *realtimev1.GetSocketRequest) (*realtimev1.GetSocketResponse, error) {
	c := s.checker()
	name := cmp.Or(r.GetNamespace(), defaultNamespace)
	id := c.socketID("socket_id", name, r.GetSocketId())
	if err := c.err(); err != nil {
		return nil, statusError(err)
	}
	ns, err := s.namespace(ctx, name)
	if err != nil {
		return nil, statusError(err)
	}
	m, ok := ns.Member(id)
	if !ok {
		return nil, statusError(rooms.ErrSocketGone)
	}
	info := m.Info()
	return &realtimev1.GetSocketResponse{Socket: fromInfo(&info)}, nil
}

func (s *socketServer) ListSockets(r *realtimev1.ListSocketsRequest, stream realtimev1.SocketService_ListSocketsServer) error {
	c := s.checker()
	ns, target, err := s.target(stream.Context(), &c, r.GetTarget())
	if err != nil {
		return statusError(err)
	}
	batch, bytes := &realtimev1.ListSocketsResponse{}, 0
	for _, m := range ns.Select(nil, target) {
		info := m.Info()
		socket := fromInfo(&info)
		batch.Sockets = append(batch.Sockets, socket)
		if bytes += proto.Size(socket); len(batch.GetSockets()) < maxSocketBatch && bytes < maxSocketBatchBytes {
			continue
		}
		if err := s.sendSockets(stream, batch); err != nil {
			return statusError(err)
		}
		batch, bytes = &realtimev1.ListSocketsResponse{}, 0
	}
	if len(batch.GetSockets()) == 0 {
		return nil
	}
	return statusError(s.sendSockets(stream, batch))
}

func (s *Service) sendSockets(stream realtimev1.SocketService_ListSocketsServer, batch *realtimev1.ListSocketsResponse) error {
	select {
	case <-s.done:
		return errShuttingDown
	default:
		return stream.Send(batch)
	}
}

func (s *socketServer) CountSockets(ctx context.Context, r *realtimev1.CountSocketsRequest) (*realtimev1.CountSocketsResponse, error) {
	c := s.checker()
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, statusError(err)
	}
	return &realtimev1.CountSocketsResponse{Count: uint32(ns.Count(target))}, nil
}

func (s *socketServer) UpdateSockets(ctx context.Context, r *realtimev1.UpdateSocketsRequest) (*realtimev1.UpdateSocketsResponse, error) {
	c := s.checker()
	data := c.data("data", r.GetData())
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, statusError(err)
	}
	members := ns.Select(nil, target)
	for _, m := range members {
		m.SetData(data)
	}
	return &realtimev1.UpdateSocketsResponse{Matched: uint32(len(members))}, nil
}

func (s *socketServer) DisconnectSockets(ctx context.Context, r *realtimev1.DisconnectSocketsRequest) (*realtimev1.DisconnectSocketsResponse, error) {
	c := s.checker()
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, statusError(err)
	}
	if r.GetCloseConnection() { // it has sockets in other namespaces, too
		if err := access.CheckAll(ctx); err != nil {
			return nil, statusError(err)
		}
	}
	members := ns.Select(nil, target)
	for _, m := range members {
		m.Disconnect(r.GetCloseConnection())
	}
	return &realtimev1.DisconnectSocketsResponse{Matched: uint32(len(members))}, nil
}

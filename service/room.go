package service

import (
	"context"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

type roomServer struct {
	realtimev1.UnimplementedRoomServiceServer
	*Service
}

func (s *roomServer) JoinRooms(ctx context.Context, r *realtimev1.JoinRoomsRequest) (*realtimev1.JoinRoomsResponse, error) {
	c := s.checker()
	names := c.someNames("rooms", r.GetRooms())
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, statusError(err)
	}
	return &realtimev1.JoinRoomsResponse{Matched: uint32(ns.Join(target, names...))}, nil
}

func (s *roomServer) LeaveRooms(ctx context.Context, r *realtimev1.LeaveRoomsRequest) (*realtimev1.LeaveRoomsResponse, error) {
	c := s.checker()
	names := c.someNames("rooms", r.GetRooms())
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, statusError(err)
	}
	return &realtimev1.LeaveRoomsResponse{Matched: uint32(ns.Leave(target, names...))}, nil
}

func (s *roomServer) ListRooms(ctx context.Context, r *realtimev1.ListRoomsRequest) (*realtimev1.ListRoomsResponse, error) {
	ns, page, size, err := s.page(ctx, r)
	if err != nil {
		return nil, statusError(err)
	}
	found := ns.Rooms(page.after, size+1) // one more tells whether there is a next page
	response := &realtimev1.ListRoomsResponse{}
	if len(found) > size {
		found = found[:size]
		page.after = found[size-1].Name
		response.NextPageToken = page.String()
	}
	for _, room := range found {
		response.Rooms = append(response.Rooms, &realtimev1.Room{Name: room.Name, Sockets: uint32(room.Members)})
	}
	return response, nil
}

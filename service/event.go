package service

import (
	"context"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

type eventServer struct {
	realtimev1.UnimplementedEventServiceServer
	*Service
}

func (s *eventServer) Watch(r *realtimev1.WatchRequest, stream realtimev1.EventService_WatchServer) error {
	c := s.checker()
	filter, err := s.filter(stream.Context(), &c, "", r)
	if err != nil {
		return statusError(err)
	}
	watcher, err := s.cfg.Feed.Watch(filter)
	if err != nil {
		return statusError(err)
	}
	defer watcher.Close()
	opened := &realtimev1.WatchResponse{Message: &realtimev1.WatchResponse_Opened{Opened: &realtimev1.WatchOpened{}}}
	if err := stream.Send(opened); err != nil {
		return statusError(err)
	}
	for {
		batch, err := watcher.Next(stream.Context())
		if err != nil {
			return statusError(err)
		}
		if batch.Missed > 0 {
			s.cfg.Logger.WarnContext(stream.Context(), "a watcher missed events", "reason", "it reads too slowly, or they were too large", "count", batch.Missed)
		}
		if err := stream.Send(fromBatch(&batch, s.cfg.NodeID)); err != nil {
			return statusError(err)
		}
	}
}

func (s *eventServer) Reply(ctx context.Context, r *realtimev1.ReplyRequest) (*realtimev1.ReplyResponse, error) {
	if err := s.sendReply(ctx, r); err != nil {
		return nil, statusError(err)
	}
	return &realtimev1.ReplyResponse{}, nil
}

// sendReply answers one acknowledgement.
func (s *Service) sendReply(ctx context.Context, r replyRequest) error {
	member, id, args, err := s.reply(ctx, r)
	if err != nil {
		return err
	}
	return member.Reply(id, args, r.GetAttachments())
}

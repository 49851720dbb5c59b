package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Scenarios that only realtime-svc has: its callers are other processes.

// emits is how many events a second callers can have delivered, to one socket each: by calls, and by one stream.
func emits(s server, z *sizes) ([]figure, error) {
	o := s.(*ours)
	w, err := newCrowd(o.edge())
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.connect(z.ask); err != nil {
		return nil, err
	}
	ids, err := o.sockets()
	if err != nil {
		return nil, err
	}
	var figures []figure
	for _, way := range []struct {
		name string
		emit func(ctx context.Context, ids []string, done *atomic.Int64) error
	}{{"Emit, 64 calls at a time", o.calls}, {"EmitStream, 4 streams", o.streams}} {
		var d deliveries
		d.count(w, false)
		var done atomic.Int64
		ctx, stop := context.WithTimeout(context.Background(), z.lasts)
		ended := make(chan error, 1)
		before, err := o.p.usage()
		if err != nil {
			stop()
			return nil, err
		}
		go func() { ended <- way.emit(ctx, ids, &done) }()
		over, patience := false, time.Now().Add(z.lasts+30*time.Second)
		err = w.run(func() bool {
			select {
			case err := <-ended:
				over = true
				if err != nil {
					patience = time.Time{}
				}
			default:
			}
			return over && d.got >= int(done.Load()) || time.Now().After(patience)
		})
		stop()
		after, err2 := o.p.usage()
		if err = errors.Join(err, err2); d.got != int(done.Load()) {
			err = errors.Join(err, fmt.Errorf("%s: %d of %d came", way.name, d.got, done.Load()))
		}
		if err != nil {
			return figures, err
		}
		figures = append(figures,
			figure{way.name + ", delivered to one socket each", "1/s", float64(d.got) / z.lasts.Seconds()},
			figure{way.name + ", CPU each", "us", per(after.cpu-before.cpu, d.got)})
	}
	return figures, nil
}

// sockets returns the ids of all clients.
func (o *ours) sockets() (ids []string, err error) {
	stream, err := realtime.NewSocketServiceClient(o.conn).ListSockets(context.Background(), &realtime.ListSocketsRequest{Target: &realtime.Target{}})
	if err != nil {
		return nil, err
	}
	for {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		for _, socket := range batch.GetSockets() {
			ids = append(ids, socket.GetId())
		}
	}
}

func toOne(id string) *realtime.EmitRequest {
	return &realtime.EmitRequest{Target: &realtime.Target{Sockets: []string{id}}, Event: "m", Arguments: `[1,"about as long as what people say"]`}
}

func (o *ours) calls(ctx context.Context, ids []string, done *atomic.Int64) error {
	var working sync.WaitGroup
	failed := make(chan error, 64)
	for i := range 64 {
		working.Go(func() {
			for n := i; ctx.Err() == nil; n += 64 {
				r, err := o.emit.Emit(context.Background(), toOne(ids[n%len(ids)]))
				if err != nil {
					failed <- err
					return
				}
				done.Add(int64(r.GetDelivered()))
			}
		})
	}
	working.Wait()
	close(failed)
	return <-failed
}

func (o *ours) streams(ctx context.Context, ids []string, done *atomic.Int64) error {
	var working sync.WaitGroup
	failed := make(chan error, 8)
	for i := range 4 {
		stream, err := o.emit.EmitStream(context.Background())
		if err != nil {
			return err
		}
		working.Go(func() {
			for n := i; ctx.Err() == nil; n += 4 {
				if err := stream.Send(&realtime.EmitStreamRequest{Emit: toOne(ids[n%len(ids)])}); err != nil {
					failed <- err
					return
				}
			}
			_ = stream.CloseSend()
		})
		working.Go(func() {
			for {
				r, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					failed <- err
					return
				}
				done.Add(int64(r.GetEmitted().GetDelivered()))
			}
		})
	}
	working.Wait()
	close(failed)
	return <-failed
}

// churn has sockets join and leave one large room, a thousand times a second, while others ask.
func churn(s server, z *sizes) ([]figure, error) {
	o := s.(*ours)
	large, err := newCrowd(o.edge())
	if err != nil {
		return nil, err
	}
	defer large.close()
	if err := large.connect(2 * z.fanout); err != nil {
		return nil, err
	}
	ids, err := o.sockets()
	if err != nil {
		return nil, err
	}
	room := realtime.NewRoomServiceClient(o.conn)
	everyone := &realtime.Target{}
	if _, err := room.JoinRooms(context.Background(), &realtime.JoinRoomsRequest{Target: everyone, Rooms: []string{"large"}}); err != nil {
		return nil, err
	}
	changes := 0
	times, err := askAt(s, z, 2*z.ask, func(*crowd) (func() error, error) {
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- o.leaveAndJoin(room, ids, stop, &changes) }()
		return func() error {
			close(stop)
			return <-ended
		}, nil
	})
	return append(percentiles(fmt.Sprintf("event and ack while a room of %d is left and joined, %d a second", 2*z.fanout, 2*z.ask), times),
		figure{"changes of that room", "1/s", float64(changes) / z.lasts.Seconds()}), err
}

func (o *ours) leaveAndJoin(room realtime.RoomServiceClient, ids []string, stop chan struct{}, changes *int) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		one := &realtime.Target{Sockets: []string{ids[n%len(ids)]}}
		if _, err := room.LeaveRooms(context.Background(), &realtime.LeaveRoomsRequest{Target: one, Rooms: []string{"large"}}); err != nil {
			return err
		}
		if _, err := room.JoinRooms(context.Background(), &realtime.JoinRoomsRequest{Target: one, Rooms: []string{"large"}}); err != nil {
			return err
		}
		*changes += 2
	}
}

var pauseShape = regexp.MustCompile(`(?m)^go_gc_duration_seconds\{quantile="1"\} (\S+)$`)

// stopped is the longest time that a collection has stopped the server.
func (o *ours) stopped() figure {
	f := figure{"longest stop for a collection", "ms", 0}
	text, err := o.fetch("/metrics")
	if found := pauseShape.FindSubmatch(text); err == nil && found != nil {
		seconds, _ := strconv.ParseFloat(string(found[1]), 64)
		f.Value = 1000 * seconds
	}
	return f
}

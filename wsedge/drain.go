package wsedge

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// Pace is how fast sessions are ended by [Server.Drain]. The zero value ends all at once.
type Pace struct {
	// PerSecond is how many sessions end each second. 0: all at once.
	PerSecond float64
	// Jitter is by which share the pauses between sessions vary, from 0 to 1, so that nodes that drain at the same time do not
	// send their clients on in step.
	Jitter float64
}

// drainTick is the pause between two batches of sessions.
const drainTick = 50 * time.Millisecond

// Retire stops accepting, so that another process that listens on the same socket gets the clients that come, and refuses
// new sessions as soon as those who were accepted are in. The sessions go on. It takes up to a second.
func (s *Server) Retire(ctx context.Context) { s.transport.Retire(ctx) }

// Drain refuses new sessions with the status 503, and ends those that there are as Shutdown does, at a pace: those that poll
// first, as their next request may already reach another process, and otherwise in no order. If ctx has a deadline it goes
// faster where it must to be done in time. left, if it is not nil, is told how many wait for their turn, at the beginning and after each batch. Drain
// returns nil when no session is left, or the error of ctx. What recovery keeps of sockets that are away stays.
func (s *Server) Drain(ctx context.Context, pace Pace, left func(sessions int)) error {
	s.transport.RefuseNew()
	tick := time.NewTimer(0)
	defer tick.Stop()
	var waiting []*transport.Session
	due := pace.PerSecond * drainTick.Seconds() // sessions that may end now; the first batch at once
	for last := time.Now(); ; {
		if len(waiting) == 0 {
			// Some may have begun while those before ended.
			waiting = inDrainOrder(s.transport.Sessions())
		}
		if left != nil {
			left(len(waiting))
		}
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now := time.Now()
		due += pace.rate(ctx, now, len(waiting)) * now.Sub(last).Seconds()
		last = now
		for due >= 1 && len(waiting) > 0 || pace.PerSecond <= 0 && len(waiting) > 0 {
			waiting[0].Handler().(*Client).shutDown()
			waiting = waiting[1:]
			due--
		}
		due = max(due, 0)
		tick.Reset(pace.pause())
	}
}

// rate is how many sessions a second are to end when so many are left at now.
func (p Pace) rate(ctx context.Context, now time.Time, left int) float64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return p.PerSecond
	}
	// Not to the last moment: the next tick must come before.
	return max(p.PerSecond, float64(left)/max(deadline.Sub(now)-4*drainTick, drainTick).Seconds())
}

func (p Pace) pause() time.Duration {
	return time.Duration(float64(drainTick) * (1 + p.Jitter*(2*rand.Float64()-1)))
}

// inDrainOrder shuffles those of sessions that have not ended, and puts those that poll first. One that polls has ended when it was told to
// be, though its client hears of that with its next poll, if it ever comes.
func inDrainOrder(sessions []*transport.Session) []*transport.Session {
	sessions = slices.DeleteFunc(sessions, (*transport.Session).Closed)
	rand.Shuffle(len(sessions), func(i, j int) { sessions[i], sessions[j] = sessions[j], sessions[i] })
	polls := 0
	for i, session := range sessions {
		if session.Transport() == engineio.Polling {
			sessions[polls], sessions[i] = sessions[i], sessions[polls]
			polls++
		}
	}
	return sessions
}

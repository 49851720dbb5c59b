package main

import (
	"context"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge"
)

// pace is how fast clients are sent on; perSecond wins over the configuration unless it is 0.
func (c *Config) pace(perSecond int) wsedge.Pace {
	if perSecond == 0 {
		perSecond = c.DrainRate
	}
	return wsedge.Pace{PerSecond: float64(perSecond), Jitter: float64(c.DrainJitter) / 100}
}

// drain is the gentle beginning of Stop. What others listen on as well is left to them; then the clients are sent on. What
// is not done by the end of ctx, or of most of its time, Stop does at once.
func (p *Process) drain(ctx context.Context) {
	ctx, cancel := mostOf(ctx)
	defer cancel()
	if p.cfg.DrainDelay > 0 {
		t := time.NewTimer(p.cfg.DrainDelay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	for _, l := range p.shared {
		_ = l.Close()
	}
	p.edge.Retire(ctx)
	began, sessions := time.Now(), -1
	_ = p.edge.Drain(ctx, p.cfg.pace(0), func(left int) {
		if sessions < 0 && left > 0 {
			p.logger.Info("sending the clients on", "sessions", left, "per_second", p.cfg.DrainRate)
		}
		sessions = max(sessions, left)
		p.left.Store(int64(left))
	})
	p.logger.Debug("the clients are sent on", "sessions", sessions, "took", time.Since(began))
}

// startDrain begins to send the clients on while the process lives, for NodeService.Drain, unless that has begun; left is how many
// sessions there are.
func (p *Process) startDrain(perSecond int) (left func() int) {
	p.drainOnce.Do(func() {
		p.ready.Store(false)
		p.service.Drain()
		ctx, cancel := context.WithCancel(context.Background())
		p.endDrain = cancel
		sessions := p.edge.Stats().Sessions
		p.left.Store(int64(sessions))
		pace := p.cfg.pace(perSecond)
		p.logger.Info("draining: not ready, and sending the clients on", "sessions", sessions, "per_second", pace.PerSecond)
		p.serves.Go(func() { _ = p.edge.Drain(ctx, pace, func(left int) { p.left.Store(int64(left)) }) })
	})
	return func() int { return int(p.left.Load()) }
}

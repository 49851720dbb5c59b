package jwt

import (
	"context"
	"encoding/json"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// askAll asks sockets for another token: one call for each namespace. As tokens expire at whole seconds, there are at most as
// many calls at a time as RefreshBefore and Leeway have seconds, for each namespace.
func (x *expiry) askAll(ctx context.Context, keys []socketKey) {
	by := make(map[string][]rooms.SocketID)
	for _, key := range keys {
		by[key.namespace] = append(by[key.namespace], key.id)
	}
	cfg := &x.admitter.cfg
	for name, ids := range by {
		n, ok := cfg.Hub.Namespace(name)
		if !ok {
			continue
		}
		call := n.EmitWithAck(rooms.Target{Sockets: ids}, &rooms.Message{Event: cfg.RefreshEvent})
		x.admitter.stats.asked.Add(uint64(call.Matched()))
		x.admitter.running.Go(func() { x.collect(ctx, name, call) })
	}
}

// collect takes the answers to one call, as long as they are of use.
func (x *expiry) collect(ctx context.Context, namespace string, call *rooms.AckCall) {
	timer := time.NewTimer(x.admitter.cfg.RefreshBefore + x.admitter.cfg.Leeway)
	defer timer.Stop()
	gone, late := ctx.Done(), timer.C
	for {
		select {
		case a, ok := <-call.Answers():
			if !ok {
				return
			}
			x.answered(namespace, &a)
			call.Release(&a)
		case <-late:
			late = nil
			call.Cancel() // and take what is there already
		case <-gone:
			gone = nil
			call.Cancel()
		}
	}
}

// answered checks what a socket brought, and lets it stay longer if that is good.
func (x *expiry) answered(namespace string, a *rooms.Answer) {
	if a.Gone || a.Dropped {
		return
	}
	key := socketKey{namespace, a.Socket}
	token, no := x.tokenIn(a)
	if no != nil {
		x.admitter.note(no)
		return
	}
	g, no, ok := x.admitter.check(token, namespace, func(g *grant, no *refusal) { x.extend(key, g, no) })
	if ok {
		x.extend(key, g, no)
	}
}

// tokenIn returns the one string that an answer consists of.
func (x *expiry) tokenIn(a *rooms.Answer) (string, *refusal) {
	if len(a.Args) > x.admitter.cfg.MaxBytes+len(scheme)+2 { // it has no character that JSON escapes
		return "", &refusal{reason: reasonOversized, detail: "as an answer"}
	}
	var token string
	if len(a.Args) == 0 || a.Args[0] != '"' || json.Unmarshal(a.Args, &token) != nil {
		return "", &refusal{reason: reasonMalformed, detail: "the answer is not one string"}
	}
	token, _ = unschemed(token)
	return token, nil
}

// extend lets a socket stay as long as its new token says. It changes nothing when that is not longer, or too late.
func (x *expiry) extend(key socketKey, g *grant, no *refusal) {
	if no == nil {
		no = x.extended(key, g, time.Now())
	}
	if no != nil {
		x.admitter.note(no)
	}
}

func (x *expiry) extended(key socketKey, g *grant, now time.Time) *refusal {
	x.mu.Lock()
	defer x.mu.Unlock()
	en := x.entries[key]
	until := g.expires.Add(x.admitter.cfg.Leeway).UnixMilli()
	switch {
	case en == nil || en.until <= now.UnixMilli():
		return nil
	case en.user != g.user:
		return &refusal{reason: reasonOtherUser}
	case g.expires.IsZero():
		x.dequeue(en)
		delete(x.entries, key)
	case until <= en.until:
		return nil
	default:
		x.times(en, g.expires)
		if en.place != away {
			x.enqueue(en)
		}
	}
	x.admitter.stats.extended.Add(1)
	return nil
}

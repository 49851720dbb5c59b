package service

import (
	"context"
	"slices"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// AsksHandshakes reports whether AdmitHandshake has to be asked at this moment: a service is attached that wants to be,
// or the policy is not to let everybody in. Otherwise it would let everybody in. It costs an atomic load.
func (a *Admissions) AsksHandshakes() bool { return a.handshakes.Load() }

// noteHandshakes keeps AsksHandshakes true to what it says. The lock is held, but at construction.
func (a *Admissions) noteHandshakes() {
	wanted := func(at *attachment) bool { return at.handshakes }
	a.handshakes.Store(a.closed || a.cfg.HandshakePolicy == PolicyDeny || slices.ContainsFunc(a.attached, wanted))
}

// AdmitHandshake asks about a handshake and waits for the verdict, which comes within AdmissionConfig.Timeout and
// MaxHandshakeTimeout; at most AdmissionConfig.MaxPending wait, the others are refused at once. When ctx ends before,
// because the client has gone, the question is withdrawn, and the verdict is for nobody. q must not change any more.
func (a *Admissions) AdmitHandshake(ctx context.Context, q *rooms.Question) rooms.Verdict {
	verdict := make(chan rooms.Verdict, 1)
	k, v := a.admit(q, func(v rooms.Verdict) { verdict <- v })
	if k != nil {
		select {
		case v = <-verdict:
		case <-ctx.Done():
			if a.withdraw(k) {
				return refused(MessageUnavailable)
			}
			v = <-verdict // it was settled at the same moment
		}
	}
	a.note(&v)
	return v
}

// withdraw closes a question without an answer; false if it was settled before.
func (a *Admissions) withdraw(k *ask) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[k.id] != k {
		return false
	}
	a.stats.Withdrawn++
	a.settle(k, rooms.Verdict{}) // which nobody is told
	return true
}

// aboutHandshake reports whether an open question is about a handshake.
func (a *Admissions) aboutHandshake(id uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.open[id]
	return k != nil && k.question.AboutHandshake()
}

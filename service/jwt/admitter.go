package jwt

import (
	"context"
	"errors"
	"sync"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Next decides about clients that the Admitter does not decide about: see wsedge.Admitter, whose contract this is.
type Next interface {
	Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool)
}

// Observer hears what sockets do: see wsedge.Observer, whose contract this is.
type Observer interface {
	Observe(e *rooms.Event) rooms.Flow
}

// Admitter lets clients in by their tokens. It stands before another admitter and before an observer, both of which the edge
// would have otherwise. All methods may be called from any goroutine.
type Admitter struct {
	// Fixed at construction.
	cfg      Config // with defaults
	next     Next
	observer Observer
	places   []place
	verifier *verifier
	keys     *keeper
	expiry   *expiry // nil: nobody is disconnected

	stats    counters
	refusals refusals

	cancel  context.CancelFunc // set by Start
	running sync.WaitGroup     // the goroutines of Start
}

// NewAdmitter reads the files and starts nothing: what the files say holds at once, and until Start nothing else. The error
// is that of Config.Validate.
func NewAdmitter(cfg Config, next Next, observer Observer) (*Admitter, error) {
	err := cfg.Validate()
	if cfg.Hub == nil {
		err = errors.Join(err, errors.New("jwt: Hub is required"))
	}
	if err != nil {
		return nil, err
	}
	a := &Admitter{cfg: cfg.withDefaults(), next: next, observer: observer}
	a.refusals.log = a.cfg.Logger
	a.verifier = newVerifier(a.cfg)
	if a.places, err = parsePlaces(a.cfg.Sources); err != nil {
		return nil, err
	}
	if a.keys, err = newKeeper(&a.cfg, &a.stats); err != nil {
		return nil, err
	}
	if a.cfg.Expiry != ExpiryIgnore {
		a.expiry = newExpiry(a)
	}
	return a, nil
}

// Start begins to look at the keys again, to fetch those of JWKSURL, and to disconnect sockets whose token expired. Once,
// and Stop ends it.
func (a *Admitter) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	for _, s := range a.keys.sources {
		a.running.Go(func() { s.run(ctx) })
	}
	if a.expiry != nil {
		a.running.Go(func() { a.expiry.run(ctx) })
	}
}

// Stop ends what Start began and returns when its goroutines have ended. Tokens that wait for keys are decided with those
// that are there. Without Start it does nothing.
func (a *Admitter) Stop() {
	if a.cancel != nil {
		a.cancel()
	}
	a.running.Wait()
}

// Stats returns the counters. They are read one after the other, not at one moment.
func (a *Admitter) Stats() Stats {
	s := a.stats.stats()
	s.Waiting, s.Keys = a.keys.waiting(), len(a.keys.set())
	if a.expiry != nil {
		s.Watched = a.expiry.size()
	}
	return s
}

// Admit implements wsedge.Admitter. It decides at once, unless no key fits the token, in which case the keys are looked at
// again first, or the next admitter is to be asked.
func (a *Admitter) Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool) {
	token := a.find(q)
	if token == "" {
		if a.cfg.Optional {
			a.stats.passedOn.Add(1)
			return a.next.Admit(a.shown(q), later)
		}
		return a.refuse(&refusal{reason: reasonMissing}), true
	}
	g, no, ok := a.check(token, q.Namespace, func(g *grant, no *refusal) {
		if v, ok := a.decide(q, g, no, later); ok {
			later(v)
		}
	})
	if !ok {
		return rooms.Verdict{}, false
	}
	return a.decide(q, g, no, later)
}

// find returns the token that a client brought; empty: none.
func (a *Admitter) find(q *rooms.Question) string {
	for _, in := range a.places {
		if token := in(q); token != "" {
			return token
		}
	}
	return ""
}

// shown is what the next admitter is shown of q.
func (a *Admitter) shown(q *rooms.Question) *rooms.Question {
	h := q.Handshake.Without(a.cfg.HideHeaders)
	if h == q.Handshake {
		return q
	}
	out := *q
	out.Handshake = h
	return &out
}

// decide turns the result of a check into a verdict, with the next admitter's word if it has one.
func (a *Admitter) decide(q *rooms.Question, g *grant, no *refusal, later func(rooms.Verdict)) (v rooms.Verdict, ok bool) {
	if no != nil {
		return a.refuse(no), true
	}
	a.stats.accepted.Add(1)
	if !a.cfg.ThenAsk {
		return g.verdict(), true
	}
	v, ok = a.next.Admit(a.shown(q), func(v rooms.Verdict) { later(g.fill(v)) })
	if ok {
		v = g.fill(v)
	}
	return v, ok
}

func (a *Admitter) refuse(no *refusal) rooms.Verdict {
	a.note(no)
	return no.reason.verdict()
}

func (a *Admitter) note(no *refusal) {
	a.stats.refused[no.reason].Add(1)
	a.refusals.say(no)
}

// check verifies a token for a namespace; no is nil if it passed. If it takes a look at the keys first, ok is false, and
// later is called once, from another goroutine.
func (a *Admitter) check(token, namespace string, later func(g *grant, no *refusal)) (g *grant, no *refusal, ok bool) {
	g, no = a.verifier.verify(token, namespace, a.keys.set())
	if no == nil || !no.again {
		return g, no, true
	}
	secret := no.secret
	pending, sure := a.keys.lookAgain(secret, func(sure bool) { later(a.checkAgain(token, namespace, secret, sure)) })
	if pending {
		return nil, nil, false
	}
	g, no = a.checkAgain(token, namespace, secret, sure)
	return g, no, true
}

// checkAgain verifies a token with the keys that are there after a look. sure tells that everything was looked at.
func (a *Admitter) checkAgain(token, namespace string, secret, sure bool) (*grant, *refusal) {
	g, no := a.verifier.verify(token, namespace, a.keys.set())
	if no != nil && no.again && (!sure || a.keys.down(secret)) {
		no = &refusal{reason: reasonKeysUnavailable, detail: no.detail}
	}
	return g, no
}

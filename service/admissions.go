package service

import (
	"container/list"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// What clients are told that no service refused itself: by connect_error, or by the answer to their handshake.
const (
	MessageTimedOut    = "admission timed out"   // no answer in time
	MessageUnavailable = "admission unavailable" // nobody attached under PolicyDeny, or shutting down
	MessageOverloaded  = "admission overloaded"  // too many questions are open
	MessageFailed      = "admission failed"      // the answer was not valid
	MessageNoRoom      = "overloaded"            // a consumer group of the namespace has no room
)

// Admissions asks attached services whether clients may begin a session, and whether they may connect to a namespace.
// Questions go to the services in turn; one that leaves hands on what it has not answered. There is one timer and no
// goroutine. All methods may be called from any goroutine.
type Admissions struct {
	// Fixed at construction.
	cfg     AdmissionConfig
	log     *slog.Logger
	hasRoom func(namespace string) bool // feed.Feed.HasRoom; nil: there always is

	handshakes atomic.Bool // AsksHandshakes; changed with mu held

	mu       sync.Mutex // guards the following
	attached []*attachment
	turn     int             // index into attached of who is asked next
	open     map[uint64]*ask // by id
	order    [2]list.List    // of *ask: those in open, by id and so by deadline, each kind with its own time limit
	bytes    int             // of the questions in open
	lastID   uint64
	timer    *time.Timer // fires at the first deadline; runs expire
	closed   bool
	stats    AdmissionStats
}

// ask is one open question.
type ask struct {
	// Fixed at construction.
	id       uint64
	deadline time.Time
	bytes    int
	question *rooms.Question
	later    func(rooms.Verdict)
	order    *list.List // one of Admissions.order

	// Guarded by Admissions.mu.
	owner  *attachment
	place  *list.Element // in order, the list of its kind
	unsent *list.Element // in owner.unsent, nil once it was taken
}

// attachment is one attached service.
type attachment struct {
	// Fixed at construction.
	namespaces []string      // empty: all
	handshakes bool          // it is asked about them, too
	wake       chan struct{} // capacity 1; filled when unsent is no longer empty

	unsent list.List // of *ask, all of them open and its own; guarded by Admissions.mu
}

// asked is what a service needs to know of an ask.
type asked struct {
	id       uint64
	deadline time.Time
	question *rooms.Question
}

// AdmissionStats counts what became of questions.
type AdmissionStats struct {
	// Attached and Open are how many services and questions there are now.
	Attached, Open int
	// Accepted and Refused count what services answered.
	Accepted, Refused uint64
	// Unattended counts questions that nobody was attached for: the policy decided.
	Unattended uint64
	// TimedOut, Overloaded and Failed count refusals with the message of that name.
	TimedOut, Overloaded, Failed uint64
	// NoRoom counts refusals since a consumer group had no room.
	NoRoom uint64
	// Withdrawn counts questions about handshakes whose client left before there was an answer.
	Withdrawn uint64
	// HandedOn counts open questions taken over from a service that left.
	HandedOn uint64
	// Ignored counts answers to questions that were no longer open.
	Ignored uint64
}

func newAdmissions(cfg AdmissionConfig) *Admissions {
	a := &Admissions{cfg: cfg, log: slog.New(slog.DiscardHandler), open: make(map[uint64]*ask)}
	a.noteHandshakes()
	return a
}

// Stats returns the counters at one moment.
func (a *Admissions) Stats() AdmissionStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := a.stats
	stats.Attached, stats.Open = len(a.attached), len(a.open)
	return stats
}

// Admit asks about a socket. It answers at once (ok) when nobody needs to be asked. Otherwise later is called exactly
// once, from another goroutine, at the latest when the time is up. It must not block. q, which has a handshake, must not
// change any more.
func (a *Admissions) Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool) {
	k, v := a.admit(q, func(v rooms.Verdict) {
		a.note(&v)
		later(v)
	})
	if k != nil {
		return v, false
	}
	a.note(&v)
	return v, true
}

// note logs a refusal that no service decided on: it says that something is wrong with the services, not with the client.
func (a *Admissions) note(v *rooms.Verdict) {
	switch v.Message {
	case MessageTimedOut, MessageUnavailable, MessageOverloaded, MessageFailed, MessageNoRoom:
		a.log.Warn("client refused without an answer of a service", "reason", v.Message)
	}
}

// admit asks q: it returns the open question, or nil and the verdict if nobody needs to be asked.
func (a *Admissions) admit(q *rooms.Question, later func(rooms.Verdict)) (*ask, rooms.Verdict) {
	room := a.hasRoom == nil || q.AboutHandshake() || a.hasRoom(q.Namespace)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !room {
		a.stats.NoRoom++
		return nil, refused(MessageNoRoom)
	}
	if a.closed {
		return nil, refused(MessageUnavailable)
	}
	at := a.next(q)
	if at == nil {
		return nil, a.unattended(q)
	}
	bytes := questionSize(q)
	if len(a.open) >= a.cfg.MaxPending || bytes > a.cfg.MaxPendingBytes-a.bytes {
		a.stats.Overloaded++
		return nil, refused(MessageOverloaded)
	}
	k := a.ask(q, bytes, later)
	at.give(k)
	return k, rooms.Verdict{}
}

// ask opens a question.
func (a *Admissions) ask(q *rooms.Question, bytes int, later func(rooms.Verdict)) *ask {
	timeout, order := a.cfg.Timeout, &a.order[0]
	if q.AboutHandshake() {
		timeout, order = min(timeout, MaxHandshakeTimeout), &a.order[1]
	}
	now := time.Now()
	a.lastID++
	k := &ask{id: a.lastID, deadline: now.Add(timeout), bytes: bytes, question: q, later: later, order: order}
	a.open[k.id] = k
	k.place = order.PushBack(k)
	a.bytes += bytes
	if order.Len() == 1 {
		a.arm(now)
	}
	return k
}

// questionOverhead stands for what a question costs beyond what the client sent.
const questionOverhead = 512

func questionSize(q *rooms.Question) int {
	n := questionOverhead + len(q.Auth) + len(q.Handshake.URL)
	for _, h := range q.Handshake.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

func refused(message string) rooms.Verdict { return rooms.Verdict{Refused: true, Message: message} }

// unattended is the verdict when nobody is attached who answers q.
func (a *Admissions) unattended(q *rooms.Question) rooms.Verdict {
	a.stats.Unattended++
	policy := a.cfg.Policy
	if q.AboutHandshake() {
		policy = a.cfg.HandshakePolicy
	}
	if policy == PolicyDeny {
		return refused(MessageUnavailable)
	}
	return rooms.Verdict{}
}

// answers reports whether the service wants to be asked q.
func (at *attachment) answers(q *rooms.Question) bool {
	if q.AboutHandshake() {
		return at.handshakes
	}
	return len(at.namespaces) == 0 || slices.Contains(at.namespaces, q.Namespace)
}

// next returns whose turn it is to answer q, nil if nobody does.
func (a *Admissions) next(q *rooms.Question) *attachment {
	for i := range a.attached {
		i = (a.turn + i) % len(a.attached)
		if at := a.attached[i]; at.answers(q) {
			a.turn = i + 1
			return at
		}
	}
	return nil
}

// give queues k for the service.
func (at *attachment) give(k *ask) {
	k.owner = at
	k.unsent = at.unsent.PushBack(k)
	select {
	case at.wake <- struct{}{}:
	default:
	}
}

// attach adds a service for these namespaces, all if there are none, and for handshakes if it wants them. It must be
// detached. The error is errShuttingDown or nil.
func (a *Admissions) attach(namespaces []string, handshakes bool) (*attachment, error) {
	at := &attachment{namespaces: namespaces, handshakes: handshakes, wake: make(chan struct{}, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, errShuttingDown
	}
	a.attached = append(a.attached, at)
	a.noteHandshakes()
	return at, nil
}

// detach removes a service and hands on its open questions, in order. Detaching again is harmless.
func (a *Admissions) detach(at *attachment) {
	a.mu.Lock()
	if i := slices.Index(a.attached, at); i >= 0 {
		a.attached = slices.Delete(a.attached, i, i+1)
		if a.turn > i {
			a.turn--
		}
		a.noteHandshakes()
	}
	var verdicts []func()
	for i := range a.order {
		for e := a.order[i].Front(); e != nil; {
			k := e.Value.(*ask)
			e = e.Next()
			if k.owner == at {
				verdicts = a.handOn(k, verdicts)
			}
		}
	}
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
}

// handOn gives k to another service or, if there is none, settles it and adds to verdicts what tells of it.
func (a *Admissions) handOn(k *ask, verdicts []func()) []func() {
	other := a.next(k.question)
	if other == nil {
		return append(verdicts, a.settle(k, a.unattended(k.question)))
	}
	a.stats.HandedOn++
	k.take()
	other.give(k)
	return verdicts
}

// take takes k out of its owner's queue, if it is still there.
func (k *ask) take() {
	if k.unsent != nil {
		k.owner.unsent.Remove(k.unsent)
		k.unsent = nil
	}
}

// take returns the next question to send to the service, false if there is none.
func (a *Admissions) take(at *attachment) (asked, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	front := at.unsent.Front()
	if front == nil {
		return asked{}, false
	}
	k := front.Value.(*ask)
	k.take()
	return asked{id: k.id, deadline: k.deadline, question: k.question}, true
}

// answer settles a question that at was asked. One that is no longer open is ignored.
func (a *Admissions) answer(at *attachment, id uint64, v rooms.Verdict) {
	a.settleAnswer(at, id, v, func(stats *AdmissionStats) {
		if v.Refused {
			stats.Refused++
		} else {
			stats.Accepted++
		}
	})
}

// fail settles a question whose answer was not valid.
func (a *Admissions) fail(at *attachment, id uint64) {
	a.settleAnswer(at, id, refused(MessageFailed), func(stats *AdmissionStats) { stats.Failed++ })
}

func (a *Admissions) settleAnswer(at *attachment, id uint64, v rooms.Verdict, count func(*AdmissionStats)) {
	a.mu.Lock()
	k := a.open[id]
	if k == nil || k.owner != at {
		a.stats.Ignored++
		a.mu.Unlock()
		return
	}
	count(&a.stats)
	tell := a.settle(k, v)
	a.mu.Unlock()
	tell()
}

// settle takes k out of everything and returns what tells its asker the verdict, to be called without the lock.
func (a *Admissions) settle(k *ask, v rooms.Verdict) (tell func()) {
	delete(a.open, k.id)
	k.order.Remove(k.place)
	a.bytes -= k.bytes
	k.take()
	return func() { k.later(v) }
}

// expire refuses every question whose time is up.
func (a *Admissions) expire() {
	now := time.Now()
	var verdicts []func()
	a.mu.Lock()
	for i := range a.order {
		for e := a.order[i].Front(); e != nil; e = a.order[i].Front() {
			k := e.Value.(*ask)
			if k.deadline.After(now) {
				break
			}
			a.stats.TimedOut++
			verdicts = append(verdicts, a.settle(k, refused(MessageTimedOut)))
		}
	}
	a.arm(now)
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
}

// arm lets the timer fire at the first deadline, if there is one.
func (a *Admissions) arm(now time.Time) {
	var first time.Time
	for i := range a.order {
		if e := a.order[i].Front(); e != nil {
			if by := e.Value.(*ask).deadline; first.IsZero() || by.Before(first) {
				first = by
			}
		}
	}
	switch {
	case first.IsZero():
	case a.timer == nil:
		a.timer = time.AfterFunc(first.Sub(now), a.expire)
	default:
		a.timer.Reset(first.Sub(now))
	}
}

// shutdown refuses every open question and every later one, and ends attachments. Calling it again is harmless.
func (a *Admissions) shutdown() {
	var verdicts []func()
	a.mu.Lock()
	a.closed = true
	a.noteHandshakes()
	for i := range a.order {
		for e := a.order[i].Front(); e != nil; e = a.order[i].Front() {
			verdicts = append(verdicts, a.settle(e.Value.(*ask), refused(MessageUnavailable)))
		}
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
}

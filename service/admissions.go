package service

import (
	"container/list"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// What connect_error says to clients that no service refused itself.
const (
	MessageTimedOut    = "admission timed out"   // no answer in time
	MessageUnavailable = "admission unavailable" // nobody attached under PolicyDeny, or shut down
	MessageOverloaded  = "admission overloaded"  // too many questions are open
	MessageFailed      = "admission failed"      // the answer was not valid
	MessageNoRoom      = "overloaded"            // a consumer group of the namespace has no room
)

// Admissions asks attached services whether clients may connect. Questions go to the services in turn; one that leaves
// hands on what it has not answered. There is one timer and no goroutine. All methods may be called from any goroutine.
type Admissions struct {
	// Fixed at construction.
	cfg     AdmissionConfig
	log     *slog.Logger
	hasRoom func(namespace string) bool // feed.Feed.HasRoom; nil: there always is

	mu       sync.Mutex // guards the following
	attached []*attachment
	turn     int             // index into attached of who is asked next
	open     map[uint64]*ask // by id
	order    list.List       // of *ask: those in open, by id and so by deadline
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

	// Guarded by Admissions.mu.
	owner  *attachment
	place  *list.Element // in Admissions.order
	unsent *list.Element // in owner.unsent, nil once it was taken
}

// attachment is one attached service.
type attachment struct {
	// Fixed at construction.
	namespaces []string      // empty: all
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
	// HandedOn counts open questions taken over from a service that left.
	HandedOn uint64
	// Ignored counts answers to questions that were no longer open.
	Ignored uint64
}

func newAdmissions(cfg AdmissionConfig) *Admissions {
	return &Admissions{cfg: cfg, log: slog.New(slog.DiscardHandler), open: make(map[uint64]*ask)}
}

// Stats returns the counters at one moment.
func (a *Admissions) Stats() AdmissionStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := a.stats
	stats.Attached, stats.Open = len(a.attached), len(a.open)
	return stats
}

// Admit answers at once (ok) when nobody needs to be asked. Otherwise later is called exactly once, from another
// goroutine, at the latest when the time is up. It must not block. q, which has a handshake, must not change any more.
func (a *Admissions) Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool) {
	v, ok = a.admit(q, func(v rooms.Verdict) {
		a.note(&v)
		later(v)
	})
	if ok {
		a.note(&v)
	}
	return v, ok
}

// note logs a refusal that no service decided on: it says that something is wrong with the services, not with the client.
func (a *Admissions) note(v *rooms.Verdict) {
	switch v.Message {
	case MessageTimedOut, MessageUnavailable, MessageOverloaded, MessageFailed, MessageNoRoom:
		a.log.Warn("client refused without an answer of a service", "reason", v.Message)
	}
}

func (a *Admissions) admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool) {
	room := a.hasRoom == nil || a.hasRoom(q.Namespace)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !room {
		a.stats.NoRoom++
		return refused(MessageNoRoom), true
	}
	if a.closed {
		return refused(MessageUnavailable), true
	}
	at := a.next(q.Namespace)
	if at == nil {
		return a.unattended(), true
	}
	bytes := questionSize(q)
	if len(a.open) >= a.cfg.MaxPending || bytes > a.cfg.MaxPendingBytes-a.bytes {
		a.stats.Overloaded++
		return refused(MessageOverloaded), true
	}
	a.lastID++
	k := &ask{id: a.lastID, deadline: time.Now().Add(a.cfg.Timeout), bytes: bytes, question: q, later: later}
	a.open[k.id] = k
	k.place = a.order.PushBack(k)
	a.bytes += bytes
	if a.order.Len() == 1 {
		a.arm(a.cfg.Timeout)
	}
	at.give(k)
	return rooms.Verdict{}, false
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

// unattended is the verdict when nobody is attached for a namespace.
func (a *Admissions) unattended() rooms.Verdict {
	a.stats.Unattended++
	if a.cfg.Policy == PolicyDeny {
		return refused(MessageUnavailable)
	}
	return rooms.Verdict{}
}

// next returns whose turn it is to answer for a namespace, nil if nobody does.
func (a *Admissions) next(namespace string) *attachment {
	for i := range a.attached {
		i = (a.turn + i) % len(a.attached)
		if at := a.attached[i]; len(at.namespaces) == 0 || slices.Contains(at.namespaces, namespace) {
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

// attach adds a service for these namespaces, all if there are none. It must be detached. The error is errShuttingDown
// or nil.
func (a *Admissions) attach(namespaces []string) (*attachment, error) {
	at := &attachment{namespaces: namespaces, wake: make(chan struct{}, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, errShuttingDown
	}
	a.attached = append(a.attached, at)
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
	}
	var verdicts []func()
	for e := a.order.Front(); e != nil; {
		k := e.Value.(*ask)
		e = e.Next()
		if k.owner != at {
			continue
		}
		if other := a.next(k.question.Namespace); other != nil {
			a.stats.HandedOn++
			k.take()
			other.give(k)
		} else {
			verdicts = append(verdicts, a.settle(k, a.unattended()))
		}
	}
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
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
	a.order.Remove(k.place)
	a.bytes -= k.bytes
	k.take()
	return func() { k.later(v) }
}

// expire refuses every question whose time is up.
func (a *Admissions) expire() {
	now := time.Now()
	var verdicts []func()
	a.mu.Lock()
	for e := a.order.Front(); e != nil; e = a.order.Front() {
		k := e.Value.(*ask)
		if left := k.deadline.Sub(now); left > 0 {
			a.arm(left)
			break
		}
		a.stats.TimedOut++
		verdicts = append(verdicts, a.settle(k, refused(MessageTimedOut)))
	}
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
}

// arm lets the timer fire after d.
func (a *Admissions) arm(d time.Duration) {
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.expire)
		return
	}
	a.timer.Reset(d)
}

// shutdown refuses every open question and every later one, and ends attachments. Calling it again is harmless.
func (a *Admissions) shutdown() {
	var verdicts []func()
	a.mu.Lock()
	a.closed = true
	for e := a.order.Front(); e != nil; e = a.order.Front() {
		verdicts = append(verdicts, a.settle(e.Value.(*ask), refused(MessageUnavailable)))
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	for _, tell := range verdicts {
		tell()
	}
}

package wsedge

import (
	"container/list"
	"crypto/rand"
	"encoding/base64"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// RecoveryConfig says for how long, and with how much memory, clients can come
// back as if they had not been away.
type RecoveryConfig struct {
	// MaxAge is how long a socket may be away. Messages are kept a little longer:
	// by the time that a dead connection may take to be noticed. More than zero.
	MaxAge time.Duration
	// MaxBytes bounds the messages and the sockets that are kept, all namespaces
	// together. At the bound the oldest go first, be they messages or sockets,
	// and the clients that needed them begin anew. 0 means 64 MiB.
	MaxBytes int
}

const defaultRecoveryBytes = 64 << 20

// Recovery is connection state recovery (PROTOCOL 5): it keeps the sockets whose
// connection was lost, and what was emitted since. It is made before the Hub,
// whose namespaces record their messages with it (HubConfig.Recorder), and given
// to one Server. It has no goroutine, and a timer only while it keeps something.
//
// The private id that a client comes back with is not kept: the socket's public
// id is a digest of it.
type Recovery struct {
	// Fixed at construction.
	cfg    RecoveryConfig
	prefix string // of every offset that this process gives out
	seed   maphash.Seed

	// Fixed when the Server is made.
	stats *counters
	log   *slog.Logger
	tell  func(*rooms.Event) // hears of the sockets that are given up
	lag   time.Duration      // how long a connection may be dead before that is noticed

	position atomic.Uint64 // of the last recorded message, over all namespaces

	mu      sync.Mutex             // guards the following, and what messageLogs keep; a leaf
	bytes   int                    // of all that is kept; at most cfg.MaxBytes
	leaving map[parkingKey]*Socket // those that will be away in a moment
	away    map[parkingKey]*parked // those that are
	order   list.List              // of *parked, those that left first in front
	kept    queue[*logEntry]       // the messages of all logs, oldest first
	timer   *time.Timer            // nil: nothing is kept
	closed  bool                   // nothing is kept any more
}

type parkingKey struct {
	namespace string
	id        rooms.SocketID
}

// parked is a socket that is away.
type parked struct {
	id        rooms.SocketID
	namespace *rooms.Namespace // entered once for it
	user      string
	rooms     []string
	data      []byte
	auth      []byte

	start     uint64     // position when the socket was new
	last      uint64     // position of the last message that it was given
	delivered uint64     // position up to which it was given all that was for it
	mistaken  *confusion // nil: it was given nothing that its client takes for an offset

	bytes int
	left  time.Time
	place *list.Element // nil: it is not away any more
}

func (p *parked) key() parkingKey { return parkingKey{p.namespace.Name(), p.id} }

// NewRecovery makes what Config.Recovery and HubConfig.Recorder need.
func NewRecovery(cfg RecoveryConfig) *Recovery {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultRecoveryBytes
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	r := &Recovery{
		cfg:     cfg,
		prefix:  base64.RawURLEncoding.EncodeToString(random[:]) + ".",
		seed:    maphash.MakeSeed(),
		stats:   new(counters),
		log:     slog.New(slog.DiscardHandler),
		tell:    func(*rooms.Event) {},
		leaving: make(map[parkingKey]*Socket),
		away:    make(map[parkingKey]*parked),
	}
	r.position.Store(1) // zero means "none" where a position is kept
	return r
}

// Recorder makes the recorder of one namespace, for HubConfig.Recorder.
func (r *Recovery) Recorder(n *rooms.Namespace) rooms.Recorder {
	return newMessageLog(r, n)
}

// serve ties the Recovery to its Server, before anything connects.
func (r *Recovery) serve(s *Server) {
	settings := s.cfg.settings()
	r.stats = &s.stats
	r.log = s.cfg.Logger
	r.tell = func(e *rooms.Event) { s.cfg.Observer.Observe(e) } // who is away cannot be held
	r.lag = time.Duration(settings.PingInterval+settings.PingTimeout) * time.Millisecond
}

// usage is how many sockets are away, and the bytes of all that is kept.
func (r *Recovery) usage() (away, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order.Len(), r.bytes
}

// reserve counts bytes and drops what is oldest until they fit; false: they never
// do. The lock is held; the caller tells of the sockets that are gone.
func (r *Recovery) reserve(bytes int) (gone []*parked, ok bool) {
	if r.closed || bytes > r.cfg.MaxBytes {
		return nil, false
	}
	for r.bytes+bytes > r.cfg.MaxBytes {
		if p := r.dropOldest(); p != nil {
			gone = append(gone, p)
		}
	}
	r.bytes += bytes
	r.wind()
	return gone, true
}

// dropOldest drops the oldest of all that is kept, and returns it if it is a
// socket. The lock is held, and something is kept.
func (r *Recovery) dropOldest() *parked {
	p, e := r.oldest(), r.kept.first()
	if p == nil || e != nil && e.at.Before(p.left) {
		r.dropMessage()
		return nil
	}
	r.remove(p)
	return p
}

// oldest is the socket that has been away for longest, nil if none is. The lock
// is held.
func (r *Recovery) oldest() *parked {
	if front := r.order.Front(); front != nil {
		return front.Value.(*parked)
	}
	return nil
}

func (r *Recovery) remove(p *parked) {
	r.order.Remove(p.place)
	p.place = nil
	delete(r.away, p.key())
	r.bytes -= p.bytes
}

// wind starts the timer. The lock is held.
func (r *Recovery) wind() {
	const looks = 16 // in the time that something is kept
	if r.timer == nil && !r.closed {
		r.timer = time.AfterFunc(max(r.cfg.MaxAge/looks, time.Millisecond), r.sweep)
	}
}

// sweep gives up what is too old.
func (r *Recovery) sweep() {
	now := time.Now()
	for more := true; more; {
		var gone []*parked
		r.mu.Lock()
		gone, more = r.takeExpired(now)
		if !more {
			r.timer = nil
			if r.bytes > 0 {
				r.wind()
			}
		}
		r.mu.Unlock()
		r.expired(gone)
	}
}

// takeExpired drops the messages and takes out the sockets whose time is over,
// but not very many at once, as loops wait for the lock: then there is more. The
// lock is held.
func (r *Recovery) takeExpired(now time.Time) (gone []*parked, more bool) {
	const most = 512
	for range most {
		p, e := r.oldest(), r.kept.first()
		switch {
		case p != nil && r.isOver(p, now):
			r.remove(p)
			gone = append(gone, p)
		case e != nil && now.Sub(e.at) >= r.cfg.MaxAge+r.lag:
			r.dropMessage()
		default:
			return gone, false
		}
	}
	return gone, true
}

func (r *Recovery) isOver(p *parked, now time.Time) bool { return now.Sub(p.left) >= r.cfg.MaxAge }

// close gives everything up: the process ends, and nobody can come back to it.
func (r *Recovery) close() {
	r.mu.Lock()
	r.closed = true
	var gone []*parked
	for r.bytes > 0 {
		if p := r.dropOldest(); p != nil {
			gone = append(gone, p)
		}
	}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.mu.Unlock()
	r.expired(gone)
}

// expired tells that these sockets will not come back.
func (r *Recovery) expired(gone []*parked) {
	for _, p := range gone {
		r.stats.Expired.Add(1)
		r.tell(&rooms.Event{
			Kind: rooms.KindExpired, Namespace: p.namespace.Name(), Socket: p.id, User: p.user, Time: time.Now(),
		})
		p.namespace.Exit()
	}
}

// leaves notes that s is about to be away, before its namespace forgets it: whoever
// looks for it meanwhile can wait for its Client.
func (r *Recovery) leaves(s *Socket) {
	r.mu.Lock()
	r.leaving[parkingKey{s.namespace.Name(), s.ID()}] = s
	r.mu.Unlock()
}

// parkedOverhead is what a parked socket costs beyond its texts.
const parkedOverhead = 480

// park keeps a socket that has left; what is older gives way to it. It takes over
// the socket's use of the namespace.
func (r *Recovery) park(p *parked) {
	p.bytes = parkedOverhead + len(p.user) + len(p.data) + len(p.auth)
	for _, name := range p.rooms {
		p.bytes += len(name) + 16
	}
	if p.mistaken != nil {
		p.bytes += confusionBytes
	}
	r.mu.Lock()
	delete(r.leaving, p.key())
	p.left = time.Now()
	gone, kept := r.reserve(p.bytes)
	if kept {
		p.place = r.order.PushBack(p)
		r.away[p.key()] = p
	} else {
		gone = append(gone, p)
	}
	closed := r.closed
	r.mu.Unlock()
	if !closed {
		r.noteGivenUp(gone)
	}
	r.expired(gone)
}

// find looks for a socket that is away (p) or will be in a moment (leaving).
// Neither: it is not known, or its time is over.
func (r *Recovery) find(n *rooms.Namespace, id rooms.SocketID) (p *parked, leaving *Socket) {
	key := parkingKey{n.Name(), id}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p = r.away[key]; p != nil && r.isOver(p, time.Now()) {
		p = nil // the sweep will tell
	}
	return p, r.leaving[key]
}

// take takes out a socket that was found; false: somebody else has.
func (r *Recovery) take(p *parked) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.place == nil {
		return false
	}
	r.remove(p)
	return true
}

// queue is first in, first out. The zero value is empty.
type queue[E any] struct {
	items []E
	head  int // those before it are gone
}

// push uses the places of what is gone again, so that a queue that is never empty
// does not grow with what has gone through it.
func (q *queue[E]) push(e E) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, e)
}

// waiting is what is in the queue, in order, until the next change.
func (q *queue[E]) waiting() []E { return q.items[q.head:] }

// first is the zero value if the queue is empty.
func (q *queue[E]) first() (e E) {
	if q.head < len(q.items) {
		e = q.items[q.head]
	}
	return e
}

// pop drops the first; there is one.
func (q *queue[E]) pop() {
	var none E
	q.items[q.head] = none
	if q.head++; q.head == len(q.items) {
		q.items, q.head = nil, 0
	}
}

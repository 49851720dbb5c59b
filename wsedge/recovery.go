package wsedge

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// RecoveryConfig says for how long, and with how much memory, clients can come
// back as if they had not been away.
type RecoveryConfig struct {
	// MaxAge is how long a socket may be away, and how long a message is kept.
	// More than zero.
	MaxAge time.Duration
	// MaxBytes bounds the messages and the sockets that are kept, all namespaces
	// together. At the bound the oldest go first, and their clients begin anew.
	// 0 means 64 MiB.
	MaxBytes int
}

const defaultRecoveryBytes = 64 << 20

// Recovery is connection state recovery (PROTOCOL 5): it keeps the sockets whose
// connection was lost, and what was emitted since. It is made before the Hub,
// whose namespaces record their messages with it (HubConfig.Recorder), and given
// to a Server. It has no goroutine, and a timer only while it keeps something.
//
// The private id that a client comes back with is not kept: the socket's public
// id is a digest of it.
type Recovery struct {
	// Fixed at construction.
	cfg    RecoveryConfig
	prefix string // of every offset that this process gives out
	stats  *counters
	tell   func(*rooms.Event) // hears of the sockets that are given up

	position atomic.Uint64 // of the last recorded message, over all namespaces
	bytes    atomic.Int64  // what is kept; never above cfg.MaxBytes

	mu    sync.Mutex               // guards the following; a leaf
	away  map[parkingKey]*parked   // by namespace and socket
	order list.List                // of *parked, oldest first
	held  map[*messageLog]struct{} // logs that keep messages
	timer *time.Timer              // nil: nothing is kept
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

	start     uint64 // position when the socket was new
	last      uint64 // position of the last message that it was given
	delivered uint64 // position up to which it was given all that was for it
	poisoned  uint64 // last, when it was given the last volatile message that clients take for an offset

	bytes   int
	expires time.Time
	place   *list.Element
}

// recoverable is what a connected socket knows for the case that its connection
// is lost. Messages are given to it one after the other (messageLog).
type recoverable struct {
	log   *messageLog
	start uint64

	last, poisoned atomic.Uint64 // as in parked
	lost           atomic.Uint64 // position of the first message that it did not take; 0: none
}

// NewRecovery makes what Config.Recovery and HubConfig.Recorder need.
func NewRecovery(cfg RecoveryConfig) *Recovery {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultRecoveryBytes
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	r := &Recovery{
		cfg:    cfg,
		prefix: base64.RawURLEncoding.EncodeToString(random[:]) + ".",
		stats:  new(counters),
		tell:   func(*rooms.Event) {},
		away:   make(map[parkingKey]*parked),
		held:   make(map[*messageLog]struct{}),
	}
	r.position.Store(1) // zero means "none" where a position is kept
	return r
}

// Recorder makes the recorder of one namespace, for HubConfig.Recorder.
func (r *Recovery) Recorder(n *rooms.Namespace) rooms.Recorder {
	return newMessageLog(r, n)
}

// logOf is the log of a namespace, nil if it has none.
func logOf(n *rooms.Namespace) *messageLog {
	l, _ := n.Recorder().(*messageLog)
	return l
}

// newPrivateID makes the secret that a client comes back with, and the id of its
// socket, from which nobody learns it.
func newPrivateID() (pid string, id rooms.SocketID) {
	secret := engineio.NewID()
	return secret.String(), publicID(secret.String())
}

// publicID is the socket that a private id stands for.
func publicID(pid string) (id rooms.SocketID) {
	sum := sha256.Sum256([]byte(pid))
	base64.RawURLEncoding.Encode(id[:], sum[:15])
	return id
}

// claim is what a client says in its CONNECT to come back.
type claim struct {
	PID    string `json:"pid"`
	Offset string `json:"offset"`
}

// parseClaim reads it from an auth payload. Any other shape is no claim.
func parseClaim(auth []byte) (c claim, ok bool) {
	if len(auth) == 0 || json.Unmarshal(auth, &c) != nil {
		return claim{}, false
	}
	_, ok = engineio.ParseID(c.PID)
	return c, ok
}

// reserve counts bytes, unless they are too many.
func (r *Recovery) reserve(bytes int) bool {
	if r.bytes.Add(int64(bytes)) <= int64(r.cfg.MaxBytes) {
		return true
	}
	r.bytes.Add(-int64(bytes))
	return false
}

func (r *Recovery) release(bytes int) { r.bytes.Add(-int64(bytes)) }

// hold notes that a log keeps messages, so that it is looked at when they are
// old.
func (r *Recovery) hold(l *messageLog) {
	r.mu.Lock()
	r.held[l] = struct{}{}
	r.wind()
	r.mu.Unlock()
}

// wind starts the timer. The lock is held.
func (r *Recovery) wind() {
	const looks = 4 // in the time that something is kept
	if r.timer == nil {
		r.timer = time.AfterFunc(max(r.cfg.MaxAge/looks, time.Millisecond), r.sweep)
	}
}

// sweep gives up what is too old.
func (r *Recovery) sweep() {
	now := time.Now()
	r.mu.Lock()
	gone := r.takeExpired(now)
	logs := make([]*messageLog, 0, len(r.held))
	for l := range r.held {
		logs = append(logs, l)
	}
	r.mu.Unlock()
	for _, p := range gone {
		r.expired(p)
	}
	for _, l := range logs {
		l.sweep(now.UnixMilli())
	}
	r.mu.Lock()
	r.timer = nil
	if len(r.held) > 0 || r.order.Len() > 0 {
		r.wind()
	}
	r.mu.Unlock()
}

// sweep drops old messages; a log without any is not looked at again before it
// has some.
func (l *messageLog) sweep(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expire(now) {
		return
	}
	l.recovery.mu.Lock()
	delete(l.recovery.held, l)
	l.recovery.mu.Unlock()
}

// takeExpired takes out the sockets whose time is over. The lock is held.
func (r *Recovery) takeExpired(now time.Time) (gone []*parked) {
	for e := r.order.Front(); e != nil && !e.Value.(*parked).expires.After(now); e = r.order.Front() {
		p := e.Value.(*parked)
		r.remove(p)
		gone = append(gone, p)
	}
	return gone
}

func (r *Recovery) remove(p *parked) {
	r.order.Remove(p.place)
	delete(r.away, parkingKey{p.namespace.Name(), p.id})
	r.release(p.bytes)
}

// expired tells that a socket will not come back.
func (r *Recovery) expired(p *parked) {
	r.stats.Expired.Add(1)
	r.tell(&rooms.Event{
		Kind: rooms.KindExpired, Namespace: p.namespace.Name(), Socket: p.id, User: p.user, Time: time.Now(),
	})
	p.namespace.Exit()
}

// parkedOverhead is what a parked socket costs beyond its texts.
const parkedOverhead = 400

// park keeps a socket that has just left; the older ones give way to it. It
// takes over the socket's use of the namespace, and reports false if it does not
// fit at all.
func (r *Recovery) park(p *parked) bool {
	p.bytes = parkedOverhead + len(p.user) + len(p.data) + len(p.auth)
	for _, name := range p.rooms {
		p.bytes += len(name) + 16
	}
	p.expires = time.Now().Add(r.cfg.MaxAge)
	var gone []*parked
	r.mu.Lock()
	kept := r.reserve(p.bytes)
	for !kept && r.order.Len() > 0 {
		oldest := r.order.Front().Value.(*parked)
		r.remove(oldest)
		gone = append(gone, oldest)
		kept = r.reserve(p.bytes)
	}
	if kept {
		p.place = r.order.PushBack(p)
		r.away[parkingKey{p.namespace.Name(), p.id}] = p
		r.wind()
	}
	r.mu.Unlock()
	for _, p := range gone {
		r.expired(p)
	}
	return kept
}

// take takes a socket out that is away, nil if it is not.
func (r *Recovery) take(n *rooms.Namespace, id rooms.SocketID) *parked {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.away[parkingKey{n.Name(), id}]
	if p != nil {
		r.remove(p)
	}
	return p
}

// isAway reports whether a socket is kept.
func (r *Recovery) isAway(n *rooms.Namespace, id rooms.SocketID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away[parkingKey{n.Name(), id}] != nil
}

// Away is how many sockets are kept for clients that may come back.
func (r *Recovery) Away() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order.Len()
}

// from is the position after which the client of p has to be told everything.
//
// The stock client names the last argument of the last event that it got, if
// that is a text. Nothing at all therefore means that it has got no message; a
// text that is no offset, that the last it got was a volatile message with a
// text at its end, or that it has got nothing since it began this session
// (PROTOCOL 5, where the reference gives up in all of these cases).
func (r *Recovery) from(p *parked, offset string) uint64 {
	if position, ok := r.parseOffset(offset); ok {
		return max(position, p.start)
	}
	if offset != "" && p.poisoned != 0 {
		return p.poisoned
	}
	return p.start
}

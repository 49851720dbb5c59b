// Package adminui lets the official Socket.IO Admin UI look into the service, and change what it sees: the namespace /admin with the protocol of
// @socket.io/admin-ui 0.5.
//
// The people who use the UI are ordinary sockets of the edge, in a namespace that is this package's alone. [UI] stands before the admitter and before
// the observer that the edge would have otherwise: it decides who may enter its namespace, and keeps what happens there from everybody
// else. What happens elsewhere it hears as a watcher of the feed, only while somebody looks, and in the development mode only; so nothing
// is added to the way of an event. It knows rooms and the feed, and no protocol of theirs.
//
// # What differs from the reference
//
// Sessions are not told apart: each socket counts as a client of its own, under the beginning of its id. Events to clients (event_sent) and bytes are not shown,
// as counting them would cost every message. Namespaces that exist because of a pattern are shown as the others are.
//
// # Bounds
//
// Passwords are compared two at a time, and five times a second at most; 1,000 logins are remembered, for a day; MaxSockets sockets are shown at once; what
// waits for a UI that does not read is bounded as for every client; commands that wait are too many from 256 on, and refused.
package adminui

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// Admitter decides about all other namespaces: see wsedge.Admitter, whose contract this is.
type Admitter interface {
	Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool)
}

// Observer hears of all other namespaces: see wsedge.Observer, whose contract this is.
type Observer interface {
	Observe(e *rooms.Event) rooms.Flow
}

// Config configures a UI. Hub, Feed and Stats are required, and Username with PasswordHash or Open.
type Config struct {
	Hub  *rooms.Hub
	Feed *feed.Feed
	// Namespace is where the UI connects. It is one of the Hub's. Default "/admin".
	Namespace string
	// ReadOnly lets people look and do nothing.
	ReadOnly bool
	// Development shows each socket and each event; otherwise there are figures only.
	Development bool
	// Username and PasswordHash, a bcrypt hash, are what a person has to know.
	Username, PasswordHash string
	// Open lets everybody in.
	Open bool
	// Node is how the server is called.
	Node string
	// Stats tells of the edge, every two seconds while somebody looks.
	Stats func() Stats
	// Logger hears of failed logins and of what is done. Nil discards it.
	Logger *slog.Logger
}

// Stats is what the figures are made of. Counters never fall.
type Stats struct {
	Sessions, Polling int               // now; those that poll
	Opened            uint64            // sessions
	Closed            map[string]uint64 // the same, by reason
	Received          uint64            // messages from clients
}

// Bounds, and what they are of.
const (
	// MaxSockets is how many sockets a UI is told of when it begins.
	MaxSockets   = 5000
	maxLogins    = 1000
	loginLasts   = 24 * time.Hour
	statsEvery   = 2 * time.Second
	maxCommands  = 256
	maxAtOnce    = 2 // comparisons of passwords
	maxPerSecond = 5 // of them
)

// UI is the Admin UI's server. All methods may be called from any goroutine.
type UI struct {
	// Fixed at construction.
	cfg      Config
	next     Admitter
	observer Observer
	begun    time.Time
	tries    *rate.Limiter
	comparer chan struct{} // a place for each comparison
	jobs     chan func()   // done by run, in order

	ended   chan struct{} // closed by Stop
	running sync.WaitGroup

	mu     sync.Mutex // guards the following
	logins map[string]time.Time

	// Owned by run.
	people  map[rooms.SocketID]struct{}
	before  Stats
	follows context.CancelFunc // not nil while the feed is followed
}

// Validate reports everything that is missing or wrong, but for Hub, Feed and Stats.
func (c Config) Validate() error {
	switch {
	case c.Open && c.Username+c.PasswordHash != "":
		return errors.New("a password that nobody is asked for: leave it out, or Open")
	case c.Open:
		return nil
	case c.Username == "" || c.PasswordHash == "":
		return errors.New("a user's name and the bcrypt hash of a password are needed")
	}
	if _, err := bcrypt.Cost([]byte(c.PasswordHash)); err != nil {
		return errors.New("the password is no bcrypt hash")
	}
	return nil
}

// New makes a UI in front of an admitter and an observer. The error is that of Config.Validate.
func New(cfg Config, next Admitter, observer Observer) (*UI, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Namespace = cmp.Or(cfg.Namespace, "/admin")
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &UI{
		cfg: cfg, next: next, observer: observer, begun: time.Now(),
		tries:    rate.NewLimiter(maxPerSecond, 2*maxPerSecond),
		comparer: make(chan struct{}, maxAtOnce),
		jobs:     make(chan func(), maxCommands),
		ended:    make(chan struct{}),
		logins:   map[string]time.Time{},
		people:   map[rooms.SocketID]struct{}{},
	}, nil
}

// Start begins to serve. Once, and Stop ends it.
func (u *UI) Start() {
	u.running.Go(u.run)
}

// Stop ends what Start began, and returns when its goroutines have ended.
func (u *UI) Stop() {
	close(u.ended)
	u.running.Wait()
}

// credentials are what the UI sends.
type credentials struct {
	SessionID string `json:"sessionId"`
	Username  string `json:"username"`
	Password  string `json:"password"`
}

// refusal is what the UI shows, whatever was wrong.
var refusal = rooms.Verdict{Refused: true, Message: "invalid credentials"}

// Admit implements the edge's Admitter.
func (u *UI) Admit(q *rooms.Question, later func(rooms.Verdict)) (rooms.Verdict, bool) {
	if q.Namespace != u.cfg.Namespace {
		return u.next.Admit(q, later)
	}
	if u.cfg.Open {
		return rooms.Verdict{}, true
	}
	var given credentials
	if len(q.Auth) > 0 && json.Unmarshal(q.Auth, &given) != nil {
		return refusal, true
	}
	if given.SessionID != "" && u.knows(given.SessionID) {
		return rooms.Verdict{}, true
	}
	if given.Password == "" || len(given.Password) > 72 || !u.tries.Allow() {
		u.refused(q, "no credentials, or too many attempts")
		return refusal, true
	}
	u.running.Go(func() {
		u.comparer <- struct{}{}
		defer func() { <-u.comparer }()
		// The hash is compared for a wrong name, too: how long it takes tells nothing.
		right := bcrypt.CompareHashAndPassword([]byte(u.cfg.PasswordHash), []byte(given.Password)) == nil
		if subtle.ConstantTimeCompare([]byte(given.Username), []byte(u.cfg.Username)) != 1 || !right {
			u.refused(q, "wrong name or password")
			later(refusal)
			return
		}
		id := rand.Text()
		u.remember(id)
		later(rooms.Verdict{Grant: login(id)})
	})
	return rooms.Verdict{}, false
}

// login is the id of a new one, which the socket is told when it is connected.
type login string

func (u *UI) refused(q *rooms.Question, why string) {
	u.cfg.Logger.Warn("a login to the Admin UI was refused", "reason", why, "address", q.Handshake.Address)
}

func (u *UI) knows(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.logins[id]
	return ok && time.Now().Before(until)
}

// remember keeps a login. When there are too many it forgets those that are over, and otherwise any.
func (u *UI) remember(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for known, until := range u.logins {
		if now.After(until) {
			delete(u.logins, known)
		}
	}
	for known := range u.logins {
		if len(u.logins) < maxLogins {
			break
		}
		delete(u.logins, known)
	}
	u.logins[id] = now.Add(loginLasts)
}

// Observe implements the edge's Observer.
func (u *UI) Observe(e *rooms.Event) rooms.Flow {
	if e.Namespace != u.cfg.Namespace {
		return u.observer.Observe(e)
	}
	var job func()
	switch e.Kind {
	case rooms.KindConnected:
		job = func() { u.arrived(e) }
	case rooms.KindDisconnected:
		job = func() { u.left(e.Socket) }
	case rooms.KindEvent:
		job = func() { u.command(e) }
	default:
		return rooms.Flow{}
	}
	if e.Kind == rooms.KindDisconnected {
		// It must not be forgotten: only here may a goroutine wait for its turn.
		u.running.Go(func() {
			select {
			case u.jobs <- job:
			case <-u.ended:
			}
		})
		return rooms.Flow{}
	}
	select {
	case u.jobs <- job:
		return rooms.Flow{}
	default:
		return rooms.Flow{Refused: rooms.RefusedOverloaded}
	}
}

// Hides reports whether an event, of a room for example, is of the UI's namespace, and so nobody else's.
func (u *UI) Hides(e *rooms.Event) bool { return e.Namespace == u.cfg.Namespace }

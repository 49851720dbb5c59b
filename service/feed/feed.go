package feed

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// MaxEventBytes is the size of the largest event, as [Config.QueueBytes] counts it, that a watcher gets; a larger one
// counts as missed. gRPC clients refuse messages of more than 4 MiB unless they are told otherwise: one client's event
// must not end a watcher's stream.
const MaxEventBytes = 3 << 20

// ErrShutdown is the error of [Feed.Watch] and [Watcher.Next] after [Feed.Shutdown].
var ErrShutdown = errors.New("feed: the server is shutting down")

// Config bounds what a watcher may be behind. The zero value is the default.
type Config struct {
	// QueueEvents is how many events a watcher's queue holds, at least 1. Zero means 8192.
	QueueEvents int
	// QueueBytes is how many bytes they may have together: what clients sent plus 128 for each event. At least
	// MaxEventBytes. Zero means 16 MiB.
	QueueBytes int
	// WantRoomEvents is called with 1 before a watcher is attached that asks for a kind of rooms, and with -1 after it
	// is gone: rooms.Hub.WantRoomEvents. It must not block. Nil: nobody is told, whoever observes such events does
	// so unasked.
	WantRoomEvents func(delta int)
	// Groups bounds consumer groups.
	Groups GroupConfig
}

// Validate reports every field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.QueueEvents < 1 {
		errs = append(errs, fmt.Errorf("feed: QueueEvents must be at least 1, not %d", c.QueueEvents))
	}
	if c.QueueBytes < MaxEventBytes {
		errs = append(errs, fmt.Errorf("feed: QueueBytes must be at least %d, not %d", MaxEventBytes, c.QueueBytes))
	}
	errs = append(errs, c.Groups.validate())
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.QueueEvents == 0 {
		c.QueueEvents = 8192
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 16 << 20
	}
	c.Groups.setDefaults()
	return c
}

// Feed passes events on to watchers. All methods may be called from any goroutine.
type Feed struct {
	// Fixed at construction.
	cfg Config

	queued, missed, groupsEnded, groupsLost atomic.Uint64

	// What Observe reads: nil if nobody watches. Replaced, never changed, under mu.
	watchers atomic.Pointer[[]*Watcher]
	groups   atomic.Pointer[[]*group]

	mu       sync.Mutex // guards changes of watchers and groups, and the following
	shutdown bool
}

// New returns a feed that nobody watches yet. It fails as [Config.Validate] does.
func New(cfg Config) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Feed{cfg: cfg.withDefaults()}, nil
}

// Observe queues e for every watcher whose filter it matches, and puts it into every group whose filter it matches. It never
// blocks and keeps e, which must not change any more. Events of one socket must be observed one after the other. What is
// refused by one group is told to nobody.
func (f *Feed) Observe(e *rooms.Event) (flow rooms.Flow) {
	watchers, groups := f.watchers.Load(), f.groups.Load()
	if watchers == nil && groups == nil {
		return flow
	}
	bytes := size(e)
	if groups != nil && e.Kind == rooms.KindEvent {
		for _, g := range *groups {
			if flow.Refused = g.refuses(e, bytes); flow.Refused != "" {
				return flow
			}
		}
	}
	if watchers != nil {
		for _, w := range *watchers {
			if w.filter.match(e) {
				w.push(e, bytes)
			}
		}
	}
	if groups != nil {
		for _, g := range *groups {
			if g.observe(e, bytes) {
				flow.Holds++
			}
		}
	}
	return flow
}

// ObserveRooms is Observe for rooms.HubConfig.RoomEvents.
func (f *Feed) ObserveRooms(e *rooms.Event) { f.Observe(e) }

// Watch returns a watcher of everything that is observed after this call and matches the filter. It must be closed. The
// error is ErrShutdown or nil.
func (f *Feed) Watch(filter Filter) (*Watcher, error) {
	w := &Watcher{feed: f, filter: filter.compile(), wake: make(chan struct{}, 1)}
	w.want(1)
	if !f.add(w) {
		w.want(-1)
		return nil, ErrShutdown
	}
	return w, nil
}

// add attaches w unless the feed is shut down.
func (f *Feed) add(w *Watcher) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shutdown {
		return false
	}
	f.replace(append(slices.Clip(f.list()), w))
	return true
}

// Shutdown ends every watcher: it reads what is in its queue, then ErrShutdown; and every member of a group: it gets
// ErrShutdown once it has settled everything and there is nothing left for it. What is observed later is lost, as is what waits in groups that have no members.
// Calling it again is harmless.
func (f *Feed) Shutdown() {
	f.mu.Lock()
	watchers, groups := f.list(), f.listGroups()
	f.shutdown = true
	f.replace(nil)
	f.groups.Store(nil)
	f.mu.Unlock()
	for _, w := range watchers {
		w.end()
	}
	for _, g := range groups {
		g.shutdown()
	}
}

func (f *Feed) remove(w *Watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replace(slices.DeleteFunc(slices.Clone(f.list()), func(other *Watcher) bool { return other == w }))
}

// list and replace read and write watchers; f.mu is held.
func (f *Feed) list() []*Watcher {
	if p := f.watchers.Load(); p != nil {
		return *p
	}
	return nil
}

func (f *Feed) replace(watchers []*Watcher) {
	if len(watchers) == 0 {
		f.watchers.Store(nil)
		return
	}
	f.watchers.Store(&watchers)
}

// Stats is what happened since the feed was made.
type Stats struct {
	// Watchers is how many there are now.
	Watchers int
	// Queued counts events put into watchers' queues; an event that two watch counts twice.
	Queued uint64
	// Missed counts events that watchers lost, in the same way.
	Missed uint64
	// Groups is how many there are now, GroupsEnded how many had no members for too long, and GroupsLost the events that were lost
	// with those.
	Groups                  int
	GroupsEnded, GroupsLost uint64
}

// Stats returns the counters. They are read one after the other, not at one moment.
func (f *Feed) Stats() Stats {
	f.mu.Lock()
	watchers, groups := len(f.list()), len(f.listGroups())
	f.mu.Unlock()
	return Stats{
		Watchers: watchers, Queued: f.queued.Load(), Missed: f.missed.Load(),
		Groups: groups, GroupsEnded: f.groupsEnded.Load(), GroupsLost: f.groupsLost.Load(),
	}
}

// eventOverhead stands for what an event costs beyond what the client sent: the struct, its place in the queue, its
// ids.
const eventOverhead = 128

// size is what e counts for in a queue, and close to what it will be on the wire.
func size(e *rooms.Event) int {
	n := eventOverhead + len(e.User) + len(e.Name) + len(e.Args) + len(e.Auth) + len(e.Description) + len(e.Room)
	for _, a := range e.Attachments {
		n += len(a)
	}
	for _, room := range e.Rooms {
		n += len(room)
	}
	if e.Info == nil {
		return n
	}
	n += len(e.Info.Data) + len(e.Info.Auth) + len(e.Info.Handshake.URL) + len(e.Info.Handshake.Query)
	for _, room := range e.Info.Rooms {
		n += len(room)
	}
	for _, h := range e.Info.Handshake.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

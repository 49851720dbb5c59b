package feed

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

var (
	// ErrMismatch is Join's: the group has members that want other events.
	ErrMismatch = errors.New("feed: the members of the group want other events")
	// ErrTooMany is Join's: there are as many groups, or members of the group, as there may be.
	ErrTooMany = errors.New("feed: too many groups, or members of the group")
	// ErrLeft is Next's after Leave, once everything is settled.
	ErrLeft = errors.New("feed: the member has left its group")
)

// Overflow says what becomes of clients whose group has no room.
type Overflow string

// The overflows.
const (
	OverflowPause  Overflow = "pause"  // nothing more is read from who sends, until there is room
	OverflowRefuse Overflow = "refuse" // the event is refused
)

// DeadLetter says what becomes of an event that failed too often.
type DeadLetter string

// The dead-letter rules. Either way the event is dropped, counted and logged.
const (
	DeadLetterDrop       DeadLetter = "drop"       // the socket's later events go on
	DeadLetterDisconnect DeadLetter = "disconnect" // the socket is disconnected as well
)

// GroupConfig bounds consumer groups and says what they do at their bounds. The zero value is the default.
type GroupConfig struct {
	// MaxGroups bounds the groups, and MaxMembers the members of each. Zero means 1000 of either.
	MaxGroups, MaxMembers int
	// Retention is how long a group without members lives on and keeps events. Zero means 5 minutes.
	Retention time.Duration
	// Bytes is how much may wait in one group, deliveries that are not settled included, counted as Config.QueueBytes. Beyond
	// it Overflow applies. What is kept beyond it is one event of each client, and what becomes of sockets and rooms. At
	// least MaxEventBytes. Zero means 64 MiB.
	Bytes int
	// SocketBytes is the same for one socket. Zero means 1 MiB.
	SocketBytes int
	// MaxAge is how old the oldest event of a group may be; when it is older, the group has no room. Zero: any age.
	MaxAge time.Duration
	// Overflow says what becomes of clients then. Empty means OverflowPause.
	Overflow Overflow
	// MaxFailures is how often an event may fail, by a negative acknowledgement, a timeout or the loss of its member, before
	// DeadLetter applies. Zero: for ever.
	MaxFailures int
	// DeadLetter is what happens then. Empty means DeadLetterDrop.
	DeadLetter DeadLetter
	// Resume takes one hold off a socket (rooms.Flow). Disconnect disconnects one. Both are called without locks, for
	// sockets that may be gone, and must not block. Nil: nobody is told.
	Resume, Disconnect func(namespace string, socket rooms.SocketID)
	// Logger hears of events that are given up. Nil: nobody does.
	Logger *slog.Logger
}

func (c *GroupConfig) validate() error {
	var errs []error
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"MaxGroups", int64(c.MaxGroups)},
		{"MaxMembers", int64(c.MaxMembers)},
		{"Retention", int64(c.Retention)},
		{"SocketBytes", int64(c.SocketBytes)},
		{"MaxAge", int64(c.MaxAge)},
		{"MaxFailures", int64(c.MaxFailures)},
	} {
		if field.value < 0 {
			errs = append(errs, fmt.Errorf("feed: Groups.%s must not be negative", field.name))
		}
	}
	if c.Bytes < MaxEventBytes {
		errs = append(errs, fmt.Errorf("feed: Groups.Bytes must be at least %d, not %d", MaxEventBytes, c.Bytes))
	}
	if c.Overflow != OverflowPause && c.Overflow != OverflowRefuse {
		errs = append(errs, fmt.Errorf("feed: Groups.Overflow must be %q or %q, not %q", OverflowPause, OverflowRefuse, c.Overflow))
	}
	if c.DeadLetter != DeadLetterDrop && c.DeadLetter != DeadLetterDisconnect {
		errs = append(errs, fmt.Errorf("feed: Groups.DeadLetter must be %q or %q, not %q", DeadLetterDrop, DeadLetterDisconnect, c.DeadLetter))
	}
	return errors.Join(errs...)
}

func (c *GroupConfig) setDefaults() {
	c.MaxGroups = cmp.Or(c.MaxGroups, 1000)
	c.MaxMembers = cmp.Or(c.MaxMembers, 1000)
	c.Retention = cmp.Or(c.Retention, 5*time.Minute)
	c.Bytes = cmp.Or(c.Bytes, 64<<20)
	c.SocketBytes = cmp.Or(c.SocketBytes, 1<<20)
	c.Overflow = cmp.Or(c.Overflow, OverflowPause)
	c.DeadLetter = cmp.Or(c.DeadLetter, DeadLetterDrop)
	none := func(string, rooms.SocketID) {}
	if c.Resume == nil {
		c.Resume = none
	}
	if c.Disconnect == nil {
		c.Disconnect = none
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

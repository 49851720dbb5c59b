package service

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// Config says what the services work on and within which bounds.
type Config struct {
	// Hub holds the namespaces. Required.
	Hub *rooms.Hub
	// Feed is what the edge reports to. Required. Service.Shutdown shuts it down.
	Feed *feed.Feed
	// NodeID tells this process from every other, the one before a restart included; tokens given to services carry it.
	// At most 64 bytes. Empty means random.
	NodeID string
	// Logger gets what nobody else hears of. Nil discards it.
	Logger *slog.Logger
	// Limits bound requests.
	Limits Limits
	// Admission says how clients are let in.
	Admission AdmissionConfig
	// Drain begins to send the clients on to other nodes, at so many a second (0: as is configured), or joins in if that has begun; left tells how
	// many sessions there still are. Nil: NodeService.Drain is UNIMPLEMENTED.
	Drain func(perSecond int) (left func() int)
	// Idempotency bounds what is remembered of emits that have a key.
	Idempotency IdempotencyConfig
}

// Limits bound what a request may hold; more is INVALID_ARGUMENT. Zero means the default.
type Limits struct {
	// ListEntries is how many entries a list of names or ids may have. Default 1000.
	ListEntries int
	// NameBytes bounds the names of rooms, users and events, and the message of a refusal. Default 256.
	NameBytes int
	// MessageBytes bounds the arguments and attachments of one message together. Default 1 MiB.
	MessageBytes int
	// Attachments is how many binary values one message may have. Default 10, as the JavaScript clients accept no more.
	Attachments int
	// DataBytes bounds the JSON that admission attaches to a socket or a refusal. Default 64 KiB.
	DataBytes int
	// AckTimeout is the longest that EmitWithAck may wait. Default 5 minutes.
	AckTimeout time.Duration
}

// Policy says what becomes of clients when no service is attached that answers for their namespace, or for handshakes.
type Policy string

// The policies.
const (
	PolicyAllow Policy = "allow" // they are let in without a user, rooms and data
	PolicyDeny  Policy = "deny"  // they are refused with "admission unavailable"
)

// AdmissionConfig says how clients are let in. Zero values mean the defaults.
type AdmissionConfig struct {
	// Policy is for when nobody is attached that answers for a namespace. Default PolicyAllow.
	Policy Policy
	// HandshakePolicy is for when nobody is attached that answers for handshakes. Default PolicyAllow.
	HandshakePolicy Policy
	// Timeout is how long a client's question may stay open, however many services it is passed on to; one about a
	// handshake at most MaxHandshakeTimeout. Default 5 s.
	Timeout time.Duration
	// MaxPending is how many questions may be open at once. Default 10,000.
	MaxPending int
	// MaxPendingBytes is how many bytes clients may have sent with the questions that are open, handshakes and auth
	// payloads together. Default 64 MiB.
	MaxPendingBytes int
}

// MaxHandshakeTimeout bounds AdmissionConfig.Timeout for handshakes: clients wait for the answer to their first request,
// those of Socket.IO 20 s long.
const MaxHandshakeTimeout = 20 * time.Second

const (
	maxNodeIDBytes    = 64
	maxDepth          = 64               // of JSON, the outermost array included
	defaultAckTimeout = 10 * time.Second // of EmitWithAck; Limits.AckTimeout, if that is less
	// maxMessageBytes is the most that is sent to a service in one piece: see feed.MaxEventBytes.
	maxMessageBytes = feed.MaxEventBytes
)

// Validate reports everything that is missing or out of range.
func (c Config) Validate() error {
	var errs []error
	if c.Hub == nil {
		errs = append(errs, errors.New("service: Hub is required"))
	}
	if c.Feed == nil {
		errs = append(errs, errors.New("service: Feed is required"))
	}
	if len(c.NodeID) > maxNodeIDBytes {
		errs = append(errs, fmt.Errorf("service: NodeID must have at most %d bytes", maxNodeIDBytes))
	}
	for _, field := range []struct {
		name  string
		value int
	}{
		{"Limits.ListEntries", c.Limits.ListEntries},
		{"Limits.NameBytes", c.Limits.NameBytes},
		{"Limits.MessageBytes", c.Limits.MessageBytes},
		{"Limits.Attachments", c.Limits.Attachments},
		{"Limits.DataBytes", c.Limits.DataBytes},
		{"Limits.AckTimeout", int(c.Limits.AckTimeout)},
		{"Admission.Timeout", int(c.Admission.Timeout)},
		{"Admission.MaxPending", c.Admission.MaxPending},
		{"Admission.MaxPendingBytes", c.Admission.MaxPendingBytes},
		{"Idempotency.Window", int(c.Idempotency.Window)},
		{"Idempotency.Keys", c.Idempotency.Keys},
	} {
		if field.value < 0 {
			errs = append(errs, fmt.Errorf("service: %s must not be negative", field.name))
		}
	}
	for _, field := range []struct {
		name  string
		value Policy
	}{{"Policy", c.Admission.Policy}, {"HandshakePolicy", c.Admission.HandshakePolicy}} {
		switch field.value {
		case "", PolicyAllow, PolicyDeny:
		default:
			errs = append(errs, fmt.Errorf("service: Admission.%s must be %q or %q, not %q", field.name, PolicyAllow, PolicyDeny, field.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.NodeID == "" {
		c.NodeID = rooms.NewSocketID().String()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l := &c.Limits
	l.ListEntries = cmp.Or(l.ListEntries, 1000)
	l.NameBytes = cmp.Or(l.NameBytes, 256)
	l.MessageBytes = cmp.Or(l.MessageBytes, 1<<20)
	l.Attachments = cmp.Or(l.Attachments, 10)
	l.DataBytes = cmp.Or(l.DataBytes, 64<<10)
	l.AckTimeout = cmp.Or(l.AckTimeout, 5*time.Minute)
	a := &c.Admission
	a.Policy = cmp.Or(a.Policy, PolicyAllow)
	a.HandshakePolicy = cmp.Or(a.HandshakePolicy, PolicyAllow)
	a.Timeout = cmp.Or(a.Timeout, 5*time.Second)
	a.MaxPending = cmp.Or(a.MaxPending, 10_000)
	a.MaxPendingBytes = cmp.Or(a.MaxPendingBytes, 64<<20)
	c.Idempotency = c.Idempotency.withDefaults()
	return c
}

package service

import (
	"cmp"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// From messages to values of package rooms and feed; convert.go has the other direction. What a checker finds is told
// by its err.

// defaultNamespace is what an empty name of a namespace means.
const defaultNamespace = "/"

// namespace returns the namespace of that name, if the call of ctx may use it: whether it exists is not told to others.
// Every request that names a namespace comes by here. The error is an *access.NamespaceError, a *namespaceError or nil.
func (s *Service) namespace(ctx context.Context, name string) (*rooms.Namespace, error) {
	if name == "" {
		name = defaultNamespace
	}
	if err := access.CheckNamespace(ctx, name); err != nil {
		return nil, err
	}
	ns, ok := s.cfg.Hub.Namespace(name)
	if !ok {
		return nil, newNamespaceError(name)
	}
	return ns, nil
}

// namespaces checks that each of them exists and that the call of ctx may use it. In a list of namespaces an empty name
// means "/", too; an empty list means all, and the call must be allowed to use all.
func (s *Service) namespaces(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, access.CheckAll(ctx)
	}
	list := make([]string, len(names))
	for i, name := range names {
		ns, err := s.namespace(ctx, name)
		if err != nil {
			return nil, err
		}
		list[i] = ns.Name()
	}
	return list, nil
}

// target translates the field `target` and finds its namespace, if c has no violations so far.
func (s *Service) target(ctx context.Context, c *checker, t *realtimev1.Target) (*rooms.Namespace, rooms.Target, error) {
	if t == nil {
		c.violate("target", "is required; {} stands for everyone in the default namespace")
	}
	name := cmp.Or(t.GetNamespace(), defaultNamespace)
	selected := rooms.Target{
		Rooms:         c.names("target.rooms", t.GetRooms()),
		Users:         c.names("target.users", t.GetUsers()),
		Sockets:       c.socketIDs("target.sockets", name, t.GetSockets()),
		ExceptRooms:   c.names("target.except_rooms", t.GetExceptRooms()),
		ExceptSockets: c.socketIDs("target.except_sockets", name, t.GetExceptSockets()),
	}
	if err := c.err(); err != nil {
		return nil, rooms.Target{}, err
	}
	ns, err := s.namespace(ctx, name)
	return ns, selected, err
}

// messageRequest is what EmitRequest and EmitWithAckRequest have in common.
type messageRequest interface {
	GetEvent() string
	GetArguments() string
	GetAttachments() [][]byte
	GetUncompressed() bool
}

// toMessage does not look at `local`: there is one node, all of whose sockets are local.
func toMessage(c *checker, r messageRequest) *rooms.Message {
	c.event(r.GetEvent())
	return &rooms.Message{
		Event:       r.GetEvent(),
		Args:        c.arguments(r.GetArguments(), r.GetAttachments()),
		Attachments: r.GetAttachments(),
		NoCompress:  r.GetUncompressed(),
	}
}

// filterRequest is what WatchRequest and ConsumeOpen have in common.
type filterRequest interface {
	GetNamespaces() []string
	GetKinds() []realtimev1.EventKind
	GetEventNames() []string
}

// filter checks the fields of r, which stands at that path of the request, e.g. "open.", and finds its namespaces if c has no
// violations so far.
func (s *Service) filter(ctx context.Context, c *checker, path string, r filterRequest) (feed.Filter, error) {
	c.entries(path+"namespaces", len(r.GetNamespaces()))
	filter := feed.Filter{Names: c.names(path+"event_names", r.GetEventNames())}
	if c.entries(path+"kinds", len(r.GetKinds())) {
		for i, kind := range r.GetKinds() {
			filter.Kinds = append(filter.Kinds, toKind(c, fmt.Sprintf("%skinds[%d]", path, i), kind))
		}
	}
	if err := c.err(); err != nil {
		return feed.Filter{}, err
	}
	var err error
	filter.Namespaces, err = s.namespaces(ctx, r.GetNamespaces())
	return filter, err
}

var kinds = map[realtimev1.EventKind]rooms.EventKind{
	realtimev1.EventKind_EVENT_KIND_CONNECTED:    rooms.KindConnected,
	realtimev1.EventKind_EVENT_KIND_RECEIVED:     rooms.KindEvent,
	realtimev1.EventKind_EVENT_KIND_DISCONNECTED: rooms.KindDisconnected,
	realtimev1.EventKind_EVENT_KIND_EXPIRED:      rooms.KindExpired,
	realtimev1.EventKind_EVENT_KIND_JOINED:       rooms.KindJoined,
	realtimev1.EventKind_EVENT_KIND_LEFT:         rooms.KindLeft,
	realtimev1.EventKind_EVENT_KIND_ROOM_CREATED: rooms.KindRoomCreated,
	realtimev1.EventKind_EVENT_KIND_ROOM_DELETED: rooms.KindRoomDeleted,
}

func toKind(c *checker, field string, kind realtimev1.EventKind) rooms.EventKind {
	k, ok := kinds[kind]
	if !ok {
		c.violate(field, "%d is not a kind of event", kind)
	}
	return k
}

// toVerdict translates an answer; handshake says what was asked about.
func toVerdict(c *checker, a *realtimev1.AdmitAnswer, handshake bool) rooms.Verdict {
	if handshake {
		c.handshakeAnswer(a)
	}
	switch v := a.GetVerdict().(type) {
	case *realtimev1.AdmitAnswer_Accept:
		if user := v.Accept.GetUser(); user != "" {
			c.name("answer.accept.user", -1, user)
		}
		return rooms.Verdict{
			User:  v.Accept.GetUser(),
			Rooms: c.names("answer.accept.rooms", v.Accept.GetRooms()),
			Data:  c.data("answer.accept.data", v.Accept.GetData()),
		}
	case *realtimev1.AdmitAnswer_Refuse:
		c.name("answer.refuse.message", -1, v.Refuse.GetMessage())
		return rooms.Verdict{
			Refused:   true,
			Message:   v.Refuse.GetMessage(),
			ErrorData: c.data("answer.refuse.data", v.Refuse.GetData()),
		}
	default:
		c.violate("answer", "must have accept or refuse set")
		return rooms.Verdict{}
	}
}

// handshakeAnswer checks that nothing is set that only a socket can have.
func (c *checker) handshakeAnswer(a *realtimev1.AdmitAnswer) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"answer.accept.user", a.GetAccept().GetUser() != ""},
		{"answer.accept.rooms", len(a.GetAccept().GetRooms()) > 0},
		{"answer.accept.data", a.GetAccept().GetData() != ""},
		{"answer.refuse.data", a.GetRefuse().GetData() != ""},
	} {
		if field.set {
			c.violate(field.name, "must be empty, as a handshake has no socket")
		}
	}
}

// page returns where the page that r asks for begins, and its size.
func (s *Service) page(ctx context.Context, r *realtimev1.ListRoomsRequest) (*rooms.Namespace, *pageToken, int, error) {
	c := s.checker()
	size := int(r.GetPageSize())
	if size > maxPageSize {
		c.violate("page_size", "must be at most %d, not %d", maxPageSize, size)
	}
	name := cmp.Or(r.GetNamespace(), defaultNamespace)
	page := pageToken{node: s.cfg.NodeID, namespace: name}
	if token := r.GetPageToken(); token != "" {
		var err error
		if page, err = parsePageToken(token); err != nil || page.namespace != name {
			c.violate("page_token", "is not a token of this method for this namespace")
		}
	}
	if err := c.err(); err != nil {
		return nil, nil, 0, err
	}
	if page.node != s.cfg.NodeID {
		return nil, nil, 0, errNodeNotFound
	}
	ns, err := s.namespace(ctx, name)
	return ns, &page, cmp.Or(size, defaultPageSize), err
}

// replyRequest is what ReplyRequest and ConsumeReply have in common.
type replyRequest interface {
	GetAckToken() string
	GetArguments() string
	GetAttachments() [][]byte
}

// reply returns the member that waits for a reply, the id by which it knows it, and the reply's arguments.
func (s *Service) reply(ctx context.Context, r replyRequest) (m rooms.Member, id uint64, args []byte, err error) {
	c := s.checker()
	token, err := parseAckToken(r.GetAckToken())
	if err != nil {
		c.violate("ack_token", "is not the ack_token of an event")
	}
	args = c.arguments(r.GetArguments(), r.GetAttachments())
	if err := c.err(); err != nil {
		return nil, 0, nil, err
	}
	if token.node != s.cfg.NodeID {
		return nil, 0, nil, errNodeNotFound
	}
	ns, err := s.namespace(ctx, token.namespace)
	if err != nil {
		return nil, 0, nil, err
	}
	m, ok := ns.Member(token.socket)
	if !ok {
		return nil, 0, nil, rooms.ErrSocketGone
	}
	return m, token.ack, args, nil
}

// attach returns what the first message of Admit says; r is nil if there was none.
func (s *Service) attach(ctx context.Context, r *realtimev1.AdmitRequest) (namespaces []string, handshakes bool, err error) {
	c := s.checker()
	if r.GetAttach() == nil {
		c.violate("attach", "is required in the first message")
	}
	c.entries("attach.namespaces", len(r.GetAttach().GetNamespaces()))
	if err := c.err(); err != nil {
		return nil, false, err
	}
	if r.GetAttach().GetHandshakes() { // they come before any namespace
		if err := access.CheckAll(ctx); err != nil {
			return nil, false, err
		}
	}
	namespaces, err = s.namespaces(ctx, r.GetAttach().GetNamespaces())
	return namespaces, r.GetAttach().GetHandshakes(), err
}

// Bounds of the fields of Consume.
const (
	defaultConsumeEvents = 256
	maxConsumeEvents     = 100_000
	defaultConsumeBytes  = 8 << 20
	minConsumeBytes      = 64 << 10
	maxConsumeBytes      = 1 << 30
	defaultAckDeadline   = 30 * time.Second
	minAckDeadline       = 100 * time.Millisecond
	maxAckDeadline       = time.Hour
	maxNackDelay         = time.Hour
)

// open translates the first message of Consume; r is nil if there was none.
func (s *Service) open(ctx context.Context, r *realtimev1.ConsumeRequest) (group string, filter feed.Filter, cfg feed.MemberConfig, err error) {
	c, open := s.checker(), r.GetOpen()
	if open == nil {
		c.violate("open", "is required in the first message")
		return "", filter, cfg, c.err()
	}
	c.name("open.group", -1, open.GetGroup())
	if !utf8.ValidString(open.GetGroup()) {
		c.violate("open.group", "must be UTF-8")
	}
	if n := open.GetMaxEvents(); n > maxConsumeEvents {
		c.violate("open.max_events", "must be at most %d, not %d", maxConsumeEvents, n)
	}
	cfg = feed.MemberConfig{
		MaxEvents:  cmp.Or(int(open.GetMaxEvents()), defaultConsumeEvents),
		MaxBytes:   cmp.Or(c.consumeBytes("open.max_bytes", open.GetMaxBytes()), defaultConsumeBytes),
		AckTimeout: c.duration("open.ack_timeout", open.GetAckTimeout(), minAckDeadline, maxAckDeadline),
	}
	if open.GetAckTimeout() == nil {
		cfg.AckTimeout = defaultAckDeadline
	}
	prefixes := c.names("open.event_prefixes", open.GetEventPrefixes())
	filter, err = s.filter(ctx, &c, "open.", open)
	filter.Prefixes = prefixes
	return open.GetGroup(), filter, cfg, err
}

// consumeBytes checks a bound on what is unsettled; zero stays zero.
func (c *checker) consumeBytes(field string, n uint64) int {
	if n != 0 && (n < minConsumeBytes || n > maxConsumeBytes) {
		c.violate(field, "must be from %d to %d, not %d", minConsumeBytes, maxConsumeBytes, n)
		return 0
	}
	return int(n)
}

// duration checks a duration with inclusive bounds; nil is zero and always valid.
func (c *checker) duration(field string, d *durationpb.Duration, low, high time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	v := d.AsDuration()
	if d.CheckValid() != nil || v < low || v > high {
		c.violate(field, "must be from %s to %s", low, high)
	}
	return v
}

func toNacks(c *checker, list []*realtimev1.ConsumeNack) []feed.Nack {
	if len(list) == 0 {
		return nil
	}
	nacks := make([]feed.Nack, len(list))
	for i, n := range list {
		nacks[i] = feed.Nack{ID: n.GetDeliveryId(), Release: n.GetRelease()}
		if n.GetDelay() != nil {
			nacks[i].Delay = c.duration(fmt.Sprintf("settle.nacks[%d].delay", i), n.GetDelay(), 0, maxNackDelay)
		}
	}
	return nacks
}

func toCredit(c *checker, r *realtimev1.ConsumeCredit) (maxEvents, maxBytes int) {
	if n := r.GetMaxEvents(); n > maxConsumeEvents {
		c.violate("credit.max_events", "must be at most %d, not %d", maxConsumeEvents, n)
	}
	return int(r.GetMaxEvents()), c.consumeBytes("credit.max_bytes", r.GetMaxBytes())
}

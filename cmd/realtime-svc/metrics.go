package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// newRegistry makes a registry with what every Go process tells of itself.
func newRegistry(node string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "realtime_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "commit": thisBuild().Commit, "go_version": runtime.Version(), "client_version": wsedge.ClientVersion(), "node": node},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return r
}

// collector reads the parts' counters when it is scraped, so that counting costs them an addition and no more. Labels
// are from closed sets.
type collector struct {
	hub       *rooms.Hub
	edge      func() wsedge.Stats
	feed      func() feed.Stats
	groups    func() []feed.GroupStats
	repeats   func() service.IdempotencyStats
	admission func() service.AdmissionStats
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("realtime_"+name, help, labels, nil)
}

var (
	descAccepted       = desc("connections_accepted_total", "Connections that were accepted.")
	descHeads          = desc("pending_heads", "Connections whose request head is being read.")
	descHeadsClosed    = desc("heads_closed_total", "Connections closed while no request head was there, by why: the oldest of too many (evicted), too slow or broken (failed), a PROXY header that is none (proxy), the longest idle of too many (idle).", "why")
	descSessions       = desc("sessions", "Live Engine.IO sessions.")
	descSessionsOpened = desc("sessions_opened_total", "Engine.IO sessions by the transport that they began with.", "transport")
	descSessionsClosed = desc("sessions_closed_total", "Engine.IO sessions that ended, by reason.", "reason")
	descUpgrades       = desc("session_upgrades_total", "Sessions that went from polling to another transport.")
	descRefused        = desc("requests_refused_total", "Engine.IO requests that were refused, by error.", "error")
	descRefusedFor     = desc("requests_refused_context_total", "The same requests by what was wrong, in the reference's words where it has any.", "context")
	descSockets        = desc("sockets", "Connected sockets by namespace, or by the pattern that it exists for.", "namespace")
	descConnected      = desc("sockets_connected_total", "Sockets that connected to a namespace.")
	descDisconnected   = desc("sockets_disconnected_total", "Sockets that were disconnected, by reason.", "reason")
	descConnects       = desc("connects_refused_total", "Connections to a namespace that were refused, by who refused.", "by")
	descNoConnect      = desc("connect_timeouts_total", "Sessions closed because their client joined no namespace in time.")
	descMessages       = desc("messages_received_total", "Engine.IO messages from clients.")
	descEvents         = desc("events_received_total", "Events from clients.")
	descNotAccepted    = desc("events_refused_total", "Events from clients that were not accepted, by the reason that the client is told.", "reason")
	descPaused         = desc("sessions_paused", "Sessions that are not read until a consumer group has room.")
	descHolds          = desc("holds_total", "Times that a consumer group without room held a client back.")
	descVolatile       = desc("volatile_dropped_total", "Volatile messages dropped because their client was not writable.")
	descOverflows      = desc("outbox_overflows_total", "Sessions closed because their client did not keep up.")
	descBroken         = desc("protocol_violations_total", "Sessions closed for what their client sent.", "kind")
	descAcks           = desc("acks_dropped_total", "Acknowledgements given up at --max-pending-acks, by who would have answered.", "by")
	descAddresses      = desc("address_limits_reached_total", "Connections and handshakes that were turned down for the limits of their address.", "limit")
	descBodies         = desc("bodies_refused_total", "Request bodies refused because too much of others was being received.")
	descLimited        = desc("limits_reached_total", "What clients were turned down for: namespaces, or sessions because of events or bytes per second.", "limit")
	descRecovered      = desc("sockets_recovered_total", "Lost sockets that came back.")
	descExpired        = desc("sockets_expired_total", "Lost sockets that did not come back in time.")
	descAway           = desc("sockets_away", "Lost sockets that may come back.")
	descRecoveryBytes  = desc("recovery_bytes", "Bytes that are kept for lost sockets.")
	descPanics         = desc("panics_total", "Handlers of the edge that panicked; each is a bug.")

	descWatchers = desc("watchers", "Attached watchers.")
	descWatched  = desc("watch_events_total", "Events for watchers: put into their queues, or missed by slow ones.", "outcome")

	descAttached      = desc("admission_services", "Attached admission services.")
	descOpen          = desc("admission_questions_open", "Admission questions that nobody has answered yet.")
	descQuestions     = desc("admission_questions_total", "Admission questions by what became of them.", "outcome")
	descHandedOn      = desc("admission_handed_on_total", "Open admission questions taken over from a service that left.")
	descKeys          = desc("idempotency_keys", "Idempotency keys that are remembered.")
	descRepeats       = desc("idempotent_repeats_total", "Emits whose idempotency key was known: answered like the first (replayed), or refused as another request (conflict).", "outcome")
	descKeysForgotten = desc("idempotency_keys_forgotten_total", "Keys that were forgotten before --idempotency-window was over, for --idempotency-keys.")

	descIgnored = desc("admission_answers_ignored_total", "Answers to admission questions that were no longer open.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.collectEdge(c.edge(), sink(ch))
	stats := c.feed()
	c.collectServices(stats, c.admission(), sink(ch))
	sink(ch).collectGroups(stats, c.groups())
	sink(ch).collectRepeats(c.repeats())
}

// sink takes what is counted.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, n int, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func (s sink) count(d *prometheus.Desc, n uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) each(d *prometheus.Desc, by map[string]uint64) {
	for label, n := range by {
		s.count(d, n, label)
	}
}

func (c *collector) collectEdge(e wsedge.Stats, s sink) {
	s.count(descAccepted, e.Accepted)
	s.gauge(descHeads, e.PendingHeads)
	s.each(descHeadsClosed, map[string]uint64{"evicted": e.HeadsEvicted, "failed": e.HeadsFailed - e.ProxyFailed, "proxy": e.ProxyFailed, "idle": e.IdleEvicted})
	s.gauge(descSessions, e.Sessions)
	s.each(descSessionsOpened, map[string]uint64{"polling": e.SessionsPolling, "websocket": e.SessionsWebSocket, "webtransport": e.SessionsWebTransport})
	s.each(descSessionsClosed, e.SessionsClosed)
	s.count(descUpgrades, e.Upgrades)
	s.each(descRefused, e.RequestsRefused)
	for label, sockets := range c.sockets() {
		s.gauge(descSockets, sockets, label)
	}
	s.count(descConnected, e.Connected)
	s.each(descDisconnected, e.Disconnected)
	s.each(descConnects, map[string]uint64{"admission": e.ConnectsRefused, "namespace": e.InvalidNamespaces})
	s.count(descNoConnect, e.ConnectTimeouts)
	s.count(descMessages, e.MessagesReceived)
	s.count(descEvents, e.Events)
	s.each(descNotAccepted, e.EventsRefused)
	s.gauge(descPaused, e.Paused)
	s.count(descHolds, e.Holds)
	s.count(descVolatile, e.VolatileDropped)
	s.count(descOverflows, e.Overflows)
	s.each(descBroken, map[string]uint64{"packet": e.Malformed, "rule": e.Violations})
	s.each(descAcks, map[string]uint64{"client": e.AcksRefused, "service": e.AcksExpired})
	s.each(descAddresses, map[string]uint64{
		"connections": e.ConnectionsLimited, "sessions": e.SessionsLimited, "handshakes": e.HandshakesLimited,
	})
	s.count(descBodies, e.BodiesLimited)
	s.each(descRefusedFor, e.RefusalContexts)
	s.each(descLimited, map[string]uint64{"namespaces": e.NamespacesLimited, "events": e.EventsLimited, "bytes": e.BytesLimited})
	s.count(descRecovered, e.Recovered)
	s.count(descExpired, e.Expired)
	s.gauge(descAway, e.SocketsAway)
	s.gauge(descRecoveryBytes, e.RecoveryBytes)
	s.count(descPanics, e.Panics)
}

// sockets counts them by namespace. Those of dynamic namespaces count for the pattern, as clients choose the name.
func (c *collector) sockets() map[string]int {
	by := make(map[string]int)
	for _, pattern := range c.hub.Patterns() {
		by[pattern] = 0
	}
	for _, n := range c.hub.Namespaces() {
		label := n.Name()
		if n.Dynamic() {
			label = n.Pattern()
		}
		by[label] += n.Count(rooms.Target{})
	}
	return by
}

func (*collector) collectServices(f feed.Stats, a service.AdmissionStats, s sink) {
	s.gauge(descWatchers, f.Watchers)
	s.each(descWatched, map[string]uint64{"queued": f.Queued, "missed": f.Missed})
	s.gauge(descAttached, a.Attached)
	s.gauge(descOpen, a.Open)
	s.each(descQuestions, map[string]uint64{
		"accepted": a.Accepted, "refused": a.Refused, "unattended": a.Unattended,
		"timed_out": a.TimedOut, "overloaded": a.Overloaded, "failed": a.Failed, "no_room": a.NoRoom, "withdrawn": a.Withdrawn,
	})
	s.count(descHandedOn, a.HandedOn)
	s.count(descIgnored, a.Ignored)
}

func (s sink) collectRepeats(r service.IdempotencyStats) {
	s.gauge(descKeys, r.Keys)
	s.each(descRepeats, map[string]uint64{"replayed": r.Replayed, "conflict": r.Conflicts})
	s.count(descKeysForgotten, r.Forgotten)
}

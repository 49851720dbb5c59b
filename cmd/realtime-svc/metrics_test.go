package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// member is a socket of which only the presence counts.
type member struct{ rooms.Membership }

func (*member) Deliver(*rooms.Message) bool          { return true }
func (*member) ForgetAck(uint64)                     {}
func (*member) Reply(uint64, []byte, [][]byte) error { return nil }
func (*member) SetData([]byte)                       {}
func (*member) Disconnect(bool)                      {}
func (*member) Info() rooms.Info                     { return rooms.Info{} }

// enter connects a socket to a namespace.
func enter(t *testing.T, hub *rooms.Hub, name string) {
	t.Helper()
	n, err := hub.Enter(name)
	if err != nil {
		t.Fatal(err)
	}
	m := new(member)
	m.Init(rooms.NewSocketID())
	if err := n.Add(m, "", nil); err != nil {
		t.Fatal(err)
	}
}

// fixedCollector reports a different number for each thing that is counted.
func fixedCollector(t *testing.T) *collector {
	t.Helper()
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+", "/nobody"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		enter(t, hub, fmt.Sprint("/room-", i%2))
	}
	return &collector{
		hub: hub,
		edge: func() wsedge.Stats {
			return wsedge.Stats{
				Sessions: 1, SessionsPolling: 2, SessionsWebSocket: 3, Upgrades: 4,
				SessionsClosed: map[string]uint64{"ping timeout": 5}, RequestsRefused: map[string]uint64{"Bad request": 6},
				Connected: 7, Disconnected: map[string]uint64{"transport close": 8}, ConnectsRefused: 9, InvalidNamespaces: 10,
				ConnectTimeouts: 11, MessagesReceived: 12, Events: 13, Malformed: 14, Violations: 15, VolatileDropped: 16,
				Overflows: 17, AcksRefused: 18, AcksExpired: 19, Panics: 20,
				SessionsWebTransport: 38, NamespacesLimited: 39, EventsLimited: 40, BytesLimited: 41, Recovered: 42, Expired: 43,
				SocketsAway: 44, RecoveryBytes: 45,
				ConnectionsLimited: 46, SessionsLimited: 47, HandshakesLimited: 48, IdleEvicted: 49, ProxyFailed: 5, BodiesLimited: 51,
				RefusalContexts: map[string]uint64{"INVALID_ORIGIN": 52},
				EventsRefused:   map[string]uint64{"OVERLOADED": 53, "NOT_ALLOWED": 54}, Paused: 55, Holds: 56,
				Accepted: 34, PendingHeads: 35, HeadsEvicted: 36, HeadsFailed: 42,
			}
		},
		feed: func() feed.Stats {
			return feed.Stats{Watchers: 21, Queued: 22, Missed: 23, Groups: 61, GroupsEnded: 62, GroupsLost: 63}
		},
		groups: func() []feed.GroupStats {
			return []feed.GroupStats{{
				Name: "orders", Members: 64, Sockets: 65, Backlog: 66, BacklogBytes: 67, InFlight: 68, Held: 69, Oldest: 1500 * time.Millisecond,
				Events: 70, Delivered: 171, Redelivered: 72, Acked: 73, Nacked: 74, Released: 75, TimedOut: 76, Lost: 77, Stale: 78,
				DeadLettered: 79, Dropped: 80, Refused: 81, Holds: 82,
			}}
		},
		repeats: func() service.IdempotencyStats {
			return service.IdempotencyStats{Keys: 83, Replayed: 84, Conflicts: 85, Forgotten: 86}
		},
		admission: func() service.AdmissionStats {
			return service.AdmissionStats{
				Attached: 24, Open: 25, Accepted: 26, Refused: 27, Unattended: 28, TimedOut: 29, Overloaded: 30, Failed: 31, HandedOn: 32, Ignored: 33, NoRoom: 57, Withdrawn: 58,
			}
		},
	}
}

func TestCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(fixedCollector(t))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them is absent
		}
	}
	want := map[string]float64{
		"realtime_connections_accepted_total": 34, "realtime_pending_heads": 35,
		"realtime_heads_closed_total why=evicted": 36, "realtime_heads_closed_total why=failed": 37,
		"realtime_heads_closed_total why=proxy": 5, "realtime_heads_closed_total why=idle": 49,
		"realtime_address_limits_reached_total limit=connections": 46, "realtime_address_limits_reached_total limit=sessions": 47,
		"realtime_address_limits_reached_total limit=handshakes": 48, "realtime_bodies_refused_total": 51,
		"realtime_requests_refused_context_total context=INVALID_ORIGIN": 52,
		"realtime_events_refused_total reason=OVERLOADED":                53, "realtime_events_refused_total reason=NOT_ALLOWED": 54,
		"realtime_sessions_paused": 55, "realtime_holds_total": 56,
		"realtime_sessions": 1, "realtime_sessions_opened_total transport=polling": 2, "realtime_sessions_opened_total transport=websocket": 3,
		"realtime_sessions_opened_total transport=webtransport": 38, "realtime_limits_reached_total limit=namespaces": 39,
		"realtime_limits_reached_total limit=events": 40, "realtime_limits_reached_total limit=bytes": 41,
		"realtime_sockets_recovered_total": 42, "realtime_sockets_expired_total": 43, "realtime_sockets_away": 44, "realtime_recovery_bytes": 45,
		"realtime_session_upgrades_total": 4, "realtime_sessions_closed_total reason=ping timeout": 5,
		"realtime_requests_refused_total error=Bad request": 6, "realtime_sockets namespace=/": 0, "realtime_sockets namespace=/chat": 0,
		"realtime_sockets namespace=/room-[0-9]+": 3, "realtime_sockets namespace=/nobody": 0,
		"realtime_sockets_connected_total": 7, "realtime_sockets_disconnected_total reason=transport close": 8,
		"realtime_connects_refused_total by=admission": 9, "realtime_connects_refused_total by=namespace": 10,
		"realtime_connect_timeouts_total": 11, "realtime_messages_received_total": 12, "realtime_events_received_total": 13,
		"realtime_protocol_violations_total kind=packet": 14, "realtime_protocol_violations_total kind=rule": 15,
		"realtime_volatile_dropped_total": 16, "realtime_outbox_overflows_total": 17,
		"realtime_acks_dropped_total by=client": 18, "realtime_acks_dropped_total by=service": 19, "realtime_panics_total": 20,
		"realtime_watchers": 21, "realtime_watch_events_total outcome=queued": 22, "realtime_watch_events_total outcome=missed": 23,
		"realtime_admission_services": 24, "realtime_admission_questions_open": 25,
		"realtime_admission_questions_total outcome=accepted": 26, "realtime_admission_questions_total outcome=refused": 27,
		"realtime_admission_questions_total outcome=unattended": 28, "realtime_admission_questions_total outcome=timed_out": 29,
		"realtime_admission_questions_total outcome=overloaded": 30, "realtime_admission_questions_total outcome=failed": 31,
		"realtime_admission_questions_total outcome=withdrawn": 58,
		"realtime_idempotency_keys":                            83, "realtime_idempotent_repeats_total outcome=replayed": 84,
		"realtime_idempotent_repeats_total outcome=conflict": 85, "realtime_idempotency_keys_forgotten_total": 86,
		"realtime_groups": 61, "realtime_groups_ended_total": 62, "realtime_groups_lost_events_total": 63,
		"realtime_group_members group=orders": 64, "realtime_group_sockets group=orders": 65, "realtime_group_backlog_events group=orders": 66,
		"realtime_group_backlog_bytes group=orders": 67, "realtime_group_in_flight_events group=orders": 68,
		"realtime_group_held_clients group=orders": 69, "realtime_group_lag_seconds group=orders": 1.5, "realtime_group_events_total group=orders": 70,
		"realtime_group_deliveries_total attempt=first group=orders": 99, "realtime_group_deliveries_total attempt=again group=orders": 72,
		"realtime_group_deliveries_settled_total group=orders outcome=acked": 73, "realtime_group_deliveries_settled_total group=orders outcome=nacked": 74,
		"realtime_group_deliveries_settled_total group=orders outcome=released": 75, "realtime_group_deliveries_settled_total group=orders outcome=timed_out": 76,
		"realtime_group_deliveries_settled_total group=orders outcome=lost": 77, "realtime_group_deliveries_settled_total group=orders outcome=stale": 78,
		"realtime_group_events_dropped_total group=orders reason=failed": 79, "realtime_group_events_dropped_total group=orders reason=full": 80,
		"realtime_group_events_refused_total group=orders": 81, "realtime_group_holds_total group=orders": 82,
		"realtime_admission_questions_total outcome=no_room": 57, "realtime_admission_handed_on_total": 32, "realtime_admission_answers_ignored_total": 33,
	}
	for name, n := range want {
		if g, ok := got[name]; !ok || g != n {
			t.Errorf("%s: %v, %v, want %v", name, g, ok, n)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s was not expected", name)
	}
}

// Names, units and help follow Prometheus' conventions.
func TestMetricsFollowConventions(t *testing.T) {
	registry := newRegistry("n1")
	registry.MustRegister(fixedCollector(t))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

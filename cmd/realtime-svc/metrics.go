package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// newRegistry makes a registry with what every Go process tells of itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "realtime_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version(), "client_version": wsedge.ClientVersion()},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return r
}

// collector reads the parts' counters when it is scraped, so that counting costs them an addition and no more. Labels
// are from closed sets.
type collector struct {
	edge      func() wsedge.Stats
	feed      func() feed.Stats
	admission func() service.AdmissionStats
}

func newCollector(edge func() wsedge.Stats, feed func() feed.Stats, admission func() service.AdmissionStats) *collector {
	return &collector{edge, feed, admission}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("realtime_"+name, help, labels, nil)
}

var (
	descSessions       = desc("sessions", "Live Engine.IO sessions.")
	descSessionsOpened = desc("sessions_opened_total", "Engine.IO sessions by the transport they began with.", "transport")
	descSessionsClosed = desc("sessions_closed_total", "Engine.IO sessions that ended, by reason.", "reason")
	descUpgrades       = desc("upgrades_total", "Sessions that went from polling to WebSocket.")
	descRefused        = desc("requests_refused_total", "Engine.IO requests that were refused, by error.", "error")
	descConnected      = desc("sockets_connected_total", "Sockets that connected to a namespace.")
	descDisconnected   = desc("sockets_disconnected_total", "Sockets that were disconnected, by reason.", "reason")
	descConnects       = desc("connects_refused_total", "Connections to a namespace that were refused.", "reason")
	descMessages       = desc("messages_received_total", "Engine.IO messages from clients.")
	descEvents         = desc("events_received_total", "Events from clients.")
	descVolatile       = desc("volatile_dropped_total", "Volatile messages dropped as their client was not writable.")
	descOverflows      = desc("outbox_overflows_total", "Sessions closed because their client did not keep up.")
	descBroken         = desc("protocol_violations_total", "Sessions closed for what their client sent.", "kind")
	descAcks           = desc("acks_dropped_total", "Acknowledgements given up at the bound, by direction.", "direction")
	descPanics         = desc("panics_total", "Handlers that panicked; each is a bug.")
	descWatchers       = desc("watchers", "Attached watchers.")
	descWatched        = desc("watch_events_total", "Events put into watchers' queues, and lost by slow ones.", "outcome")
	descAttached       = desc("admission_services", "Attached admission services.")
	descOpen           = desc("admission_questions", "Admission questions that are open.")
	descAdmission      = desc("admission_total", "Admission questions by what became of them.", "outcome")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	each := func(d *prometheus.Desc, by map[string]uint64) {
		for label, n := range by {
			count(d, n, label)
		}
	}
	e := c.edge()
	gauge(descSessions, e.Sessions)
	count(descSessionsOpened, e.SessionsPolling, "polling")
	count(descSessionsOpened, e.SessionsWebSocket, "websocket")
	each(descSessionsClosed, e.SessionsClosed)
	count(descUpgrades, e.Upgrades)
	each(descRefused, e.RequestsRefused)
	count(descConnected, e.Connected)
	each(descDisconnected, e.Disconnected)
	count(descConnects, e.ConnectsRefused, "admission")
	count(descConnects, e.InvalidNamespaces, "invalid namespace")
	count(descMessages, e.MessagesReceived)
	count(descEvents, e.Events)
	count(descVolatile, e.VolatileDropped)
	count(descOverflows, e.Overflows)
	count(descBroken, e.Malformed, "malformed packet")
	count(descBroken, e.Violations, "rule broken")
	count(descBroken, e.ConnectTimeouts, "connect timeout")
	count(descAcks, e.AcksRefused, "to client")
	count(descAcks, e.AcksExpired, "from client")
	count(descPanics, e.Panics)

	f := c.feed()
	gauge(descWatchers, f.Watchers)
	count(descWatched, f.Queued, "queued")
	count(descWatched, f.Missed, "missed")

	a := c.admission()
	gauge(descAttached, a.Attached)
	gauge(descOpen, a.Open)
	each(descAdmission, map[string]uint64{
		"accepted": a.Accepted, "refused": a.Refused, "unattended": a.Unattended,
		"timed out": a.TimedOut, "overloaded": a.Overloaded, "failed": a.Failed,
	})
}

package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-svc/realtime-svc/service/feed"
)

var (
	descGroups      = desc("groups", "Consumer groups, those without members included.")
	descGroupsEnded = desc("groups_ended_total", "Consumer groups that ended because they had no members for --group-retention.")
	descGroupsLost  = desc("groups_lost_events_total", "Events that were lost with those.")

	descGroupMembers  = desc("group_members", "Members of the consumer group.", "group")
	descGroupSockets  = desc("group_sockets", "Sockets of which the group has told its members, or will.", "group")
	descGroupBacklog  = desc("group_backlog_events", "Events that the group's members have not settled yet, those in flight included.", "group")
	descGroupBytes    = desc("group_backlog_bytes", "What those count for against --group-buffer.", "group")
	descGroupInFlight = desc("group_in_flight_events", "Events that members have and have not settled yet.", "group")
	descGroupLag      = desc("group_lag_seconds", "How long ago the oldest event happened that is not settled. 0: all are.", "group")
	descGroupHeld     = desc("group_held_clients", "Clients that are not read because the group has no room.", "group")

	descGroupEvents    = desc("group_events_total", "Events that were put into the group.", "group")
	descGroupDelivered = desc("group_deliveries_total", "Deliveries to members: an event's first, or again.", "group", "attempt")
	descGroupSettled   = desc("group_deliveries_settled_total", "Deliveries by how they ended: as a member said, because it said nothing in time or was lost, or what it said came too late (stale).", "group", "outcome")
	descGroupDropped   = desc("group_events_dropped_total", "Events that the group gave up: those whose handling failed --group-max-failures times, and what happened in rooms while there was no room.", "group", "reason")
	descGroupRefused   = desc("group_events_refused_total", "Events that clients were refused because the group had no room, or they were too large for it.", "group")
	descGroupHolds     = desc("group_holds_total", "Times that a client was no longer read because the group had no room.", "group")
)

// collectGroups tells of each group under its name: services choose the names, and --max-groups bounds how many there are. A
// group that ends takes its series with it.
func (s sink) collectGroups(stats feed.Stats, groups []feed.GroupStats) {
	s.gauge(descGroups, stats.Groups)
	s.count(descGroupsEnded, stats.GroupsEnded)
	s.count(descGroupsLost, stats.GroupsLost)
	for i := range groups {
		s.collectGroup(&groups[i])
	}
}

func (s sink) collectGroup(g *feed.GroupStats) {
	s.gauge(descGroupMembers, g.Members, g.Name)
	s.gauge(descGroupSockets, g.Sockets, g.Name)
	s.gauge(descGroupBacklog, g.Backlog, g.Name)
	s.gauge(descGroupBytes, g.BacklogBytes, g.Name)
	s.gauge(descGroupInFlight, g.InFlight, g.Name)
	s <- prometheus.MustNewConstMetric(descGroupLag, prometheus.GaugeValue, g.Oldest.Seconds(), g.Name)
	s.gauge(descGroupHeld, g.Held, g.Name)
	s.count(descGroupEvents, g.Events, g.Name)
	s.count(descGroupDelivered, g.Delivered-g.Redelivered, g.Name, "first")
	s.count(descGroupDelivered, g.Redelivered, g.Name, "again")
	for outcome, n := range map[string]uint64{
		"acked": g.Acked, "nacked": g.Nacked, "released": g.Released, "timed_out": g.TimedOut, "lost": g.Lost, "stale": g.Stale,
	} {
		s.count(descGroupSettled, n, g.Name, outcome)
	}
	s.count(descGroupDropped, g.DeadLettered, g.Name, "failed")
	s.count(descGroupDropped, g.Dropped, g.Name, "full")
	s.count(descGroupRefused, g.Refused, g.Name)
	s.count(descGroupHolds, g.Holds, g.Name)
}

package main

import (
	"fmt"
	"slices"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/adminui"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// adminUIConfig is what the Admin UI is told of the configuration.
func (c *Config) adminUIConfig() adminui.Config {
	return adminui.Config{
		Namespace: c.AdminUINamespace, ReadOnly: c.AdminUI == "readonly", Development: c.AdminUIMode == "development",
		Username: c.AdminUIUsername, PasswordHash: c.AdminUIPassword, Open: c.AdminUIOpen, Node: c.NodeID,
	}
}

// checkAdminUI covers who may look.
func (c *Config) checkAdminUI(wrong func(name, format string, args ...any)) {
	if c.AdminUI == "off" {
		return
	}
	if err := c.adminUIConfig().Validate(); err != nil {
		wrong("admin-ui", "%w (--admin-ui-username, --admin-ui-password-hash, --admin-ui-open)", err)
	}
	if slices.Contains(c.Namespaces, c.AdminUINamespace) {
		wrong("admin-ui-namespace", "%s is among --namespaces", c.AdminUINamespace)
	}
}

// newAdminUI puts the Admin UI, if it is to be, before those that the edge would tell and ask otherwise.
func (p *Process) newAdminUI(hub *rooms.Hub, edge *wsedge.Config) error {
	if p.cfg.AdminUI == "off" {
		return nil
	}
	cfg := p.cfg.adminUIConfig()
	cfg.Hub, cfg.Feed, cfg.Logger, cfg.Stats = hub, p.feed, p.logger, p.adminUIStats
	var err error
	if p.adminUI, err = adminui.New(cfg, edge.Admitter, edge.Observer); err != nil {
		return fmt.Errorf("--admin-ui: %w", err)
	}
	edge.Admitter, edge.Observer = p.adminUI, p.adminUI
	return nil
}

func (p *Process) adminUIStats() adminui.Stats {
	s := p.edge.Stats()
	return adminui.Stats{
		Sessions: s.Sessions, Polling: p.edge.Polling(), Opened: s.SessionsPolling + s.SessionsWebSocket + s.SessionsWebTransport,
		Closed: s.SessionsClosed, Received: s.MessagesReceived,
	}
}

// roomEvents is who hears of rooms: the feed, but for those of the Admin UI's namespace.
func (p *Process) roomEvents(e *rooms.Event) {
	if p.cfg.AdminUI == "off" || e.Namespace != p.cfg.AdminUINamespace {
		p.feed.ObserveRooms(e)
	}
}

// recordOthers is the recovery's recorder, but for the Admin UI's namespace: it begins anew when it comes back.
func (p *Process) recordOthers(n *rooms.Namespace) rooms.Recorder {
	if n.Name() == p.cfg.AdminUINamespace {
		return nil
	}
	return p.recovery.Recorder(n)
}

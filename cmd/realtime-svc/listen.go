package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"

	"google.golang.org/grpc"
)

// listenPlan is one listener: its flag, the name under which it may be handed over, and who serves it.
type listenPlan struct {
	flag, name, address string
	at                  *net.Addr
	serve               func(net.Listener) error
}

// Start opens the listeners and serves them. The error names the flag of the first that cannot be opened; then
// nothing stays open and the Process cannot be used any more.
func (p *Process) Start(ctx context.Context) error {
	listeners := []listenPlan{
		{"listen", "edge", p.cfg.Listen, &p.addrs.Edge, p.edge.Serve},
		{"grpc-listen", "grpc", p.cfg.GRPCListen, &p.addrs.GRPC, p.grpc.Serve},
		{"admin-listen", "admin", p.cfg.AdminListen, &p.addrs.Admin, p.admin.Serve},
	}
	// Sessions are watched by their own heartbeats, gRPC by HTTP/2's: TCP's would only cost timers.
	config := net.ListenConfig{KeepAlive: -1}
	if p.cfg.SharePorts {
		config.Control = reusePort
	}
	var opened []net.Listener
	fail := func(flag string, err error) error {
		for _, earlier := range opened {
			_ = earlier.Close()
		}
		for _, unused := range p.Inherited {
			_ = unused.Close()
		}
		p.Discard(ctx)
		return fmt.Errorf("--%s: %w", flag, err)
	}
	switch {
	case p.http != nil:
		listeners = append(listeners, listenPlan{httpFlag, "http", p.cfg.HTTPListen, &p.addrs.HTTP, p.http.Serve})
	case p.Inherited["http"] != nil:
		return fail(httpFlag, errors.New("a socket was handed over for it, but it is not set"))
	}
	for _, l := range listeners {
		listener, given := p.Inherited[l.name]
		if !given {
			var err error
			config := config
			if l.name == "http" {
				config.KeepAlive = 0 // nothing else notices that a client is gone which only waits for lines
			}
			if listener, err = config.Listen(ctx, "tcp", l.address); err != nil {
				return fail(l.flag, err)
			}
		}
		delete(p.Inherited, l.name)
		if l.name != "edge" && (given || p.cfg.SharePorts) {
			p.shared = append(p.shared, listener)
		}
		*l.at = listener.Addr()
		opened = append(opened, listener)
	}
	if err := p.startWebTransport(ctx, &config); err != nil {
		return fail(webTransportFlag, err)
	}
	p.startHTTP()
	p.startGuard()
	if p.jwt != nil {
		p.jwt.Start()
	}
	if p.adminUI != nil {
		p.adminUI.Start()
	}
	for i, l := range listeners {
		p.serves.Go(func() { p.ended(l.flag, l.serve(opened[i])) })
	}
	p.ready.Store(true)
	return nil
}

// webTransportFlag names where WebTransport listens.
const webTransportFlag = "webtransport-listen"

// startWebTransport opens and serves the UDP socket of WebTransport, if that is enabled: by default the one beside the
// port of TCP.
func (p *Process) startWebTransport(ctx context.Context, config *net.ListenConfig) error {
	if p.certificates == nil {
		return nil
	}
	pc, err := config.ListenPacket(ctx, "udp", cmp.Or(p.cfg.WebTransportListen, p.addrs.Edge.String()))
	if err != nil {
		return err
	}
	p.addrs.WebTransport = pc.LocalAddr()
	p.serves.Go(func() { p.ended(webTransportFlag, p.edge.ServeWebTransport(pc)) })
	return nil
}

// ended tells what a listener ended with, unless that is Stop.
func (p *Process) ended(flag string, err error) {
	if errors.Is(err, net.ErrClosed) && !p.ready.Load() {
		return // left to another process
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		p.failed <- fmt.Errorf("--%s: %w", flag, err)
	}
}

// webTransport reports whether it is among the transports.
func (c *Config) webTransport() bool { return slices.Contains(c.Transports, "webtransport") }

// certificates reads those of WebTransport; nil if it is not enabled.
func (c *Config) certificates(logger *slog.Logger) (*certificates, error) {
	if !c.webTransport() {
		return nil, nil //nolint:nilnil // nothing needs any
	}
	found, err := newCertificates(certificateFiles{cert: c.WebTransportCert, key: c.WebTransportKey}, logger)
	if err != nil {
		return nil, fmt.Errorf("--webtransport-cert: %w", err)
	}
	return found, nil
}

// checkWebTransport covers what WebTransport needs.
func (c *Config) checkWebTransport(wrong func(name, format string, args ...any)) {
	for name, value := range map[string]string{"webtransport-cert": c.WebTransportCert, "webtransport-key": c.WebTransportKey} {
		if value == "" && c.webTransport() {
			wrong(name, "webtransport among --transports needs it")
		}
	}
	if c.WebTransportListen == "" {
		return
	}
	if err := checkAddress(c.WebTransportListen); err != nil {
		wrong(webTransportFlag, "%w", err)
	}
}

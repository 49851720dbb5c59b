package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// Process is one running service. Make it with NewProcess, then Start, then Stop, each once.
type Process struct {
	// Fixed at construction.
	cfg      Config
	logger   *slog.Logger
	feed     *feed.Feed
	service  *service.Service
	edge     *wsedge.Server
	recovery *wsedge.Recovery // nil: lost sockets are not kept
	grpc     *grpc.Server
	admin    *http.Server

	addrs  Addrs      // set by Start
	failed chan error // what ended a listener before Stop; has room for all
	ready  atomic.Bool
	serves sync.WaitGroup // the goroutines of the listeners
}

// Addrs is where a started Process listens.
type Addrs struct{ Edge, GRPC, Admin net.Addr }

// NewProcess builds the parts and opens nothing. The error is that of a cfg that does not pass [Config.Validate], or of
// an engine that this system does not have.
func NewProcess(cfg Config, logger *slog.Logger) (*Process, error) {
	p := &Process{cfg: cfg, logger: logger, failed: make(chan error, 3)}
	var hub *rooms.Hub // each of the two knows the other: the feed asks for room events, the hub tells them
	var err error
	want := func(delta int) { hub.WantRoomEvents(delta) }
	if p.feed, err = feed.New(feed.Config{QueueBytes: int(cfg.WatchBuffer), WantRoomEvents: want}); err != nil {
		return nil, fmt.Errorf("--watch-buffer: %w", err)
	}
	if cfg.RecoveryMaxAge > 0 {
		p.recovery = wsedge.NewRecovery(wsedge.RecoveryConfig{MaxAge: cfg.RecoveryMaxAge, MaxBytes: int(cfg.RecoveryBytes)})
	}
	if hub, err = rooms.NewHub(p.hubConfig()); err != nil {
		return nil, errors.Join(hubProblems(err)...)
	}
	if p.service, err = service.New(p.serviceConfig(hub)); err != nil {
		return nil, err
	}
	registry := newRegistry(cfg.NodeID)
	if p.grpc, err = service.NewServer(p.service, service.ServerConfig{Registerer: registry}); err != nil {
		return nil, err
	}
	if p.edge, err = wsedge.New(p.edgeConfig(hub)); err != nil {
		return nil, fmt.Errorf("--engine=%s: %w", cfg.Engine, err)
	}
	registry.MustRegister(&collector{hub, p.edge.Stats, p.feed.Stats, p.service.Admissions().Stats})
	p.admin = newAdmin(registry, p.ready.Load, logger)
	return p, nil
}

func (p *Process) hubConfig() rooms.HubConfig {
	cfg := rooms.HubConfig{
		Namespaces: p.cfg.Namespaces,
		Patterns:   p.cfg.NamespacePatterns,
		MaxDynamic: p.cfg.MaxDynamicNamespaces,
		RoomEvents: p.feed.Observe,
	}
	if p.recovery != nil {
		cfg.Recorder = p.recovery.Recorder
	}
	return cfg
}

// serviceConfig leaves NodeID to chance: tokens must tell this process from the one before a restart, which had the
// same --node-id.
func (p *Process) serviceConfig(hub *rooms.Hub) service.Config {
	return service.Config{
		Hub: hub, Feed: p.feed, Logger: p.logger,
		Admission: service.AdmissionConfig{
			Policy:  service.Policy(p.cfg.AdmissionPolicy),
			Timeout: p.cfg.AdmissionTimeout,
		},
	}
}

func (p *Process) edgeConfig(hub *rooms.Hub) wsedge.Config {
	cfg := p.cfg
	keep := make([]string, len(cfg.KeepHeaders))
	for i, name := range cfg.KeepHeaders {
		keep[i] = strings.ToLower(name)
	}
	return wsedge.Config{
		Hub:             hub,
		Observer:        p.feed,
		Admitter:        p.service.Admissions(),
		Path:            cfg.Path,
		Transports:      cfg.Transports,
		DisableUpgrades: !cfg.AllowUpgrades,
		PingInterval:    cfg.PingInterval,
		PingTimeout:     cfg.PingTimeout,
		UpgradeTimeout:  cfg.UpgradeTimeout,
		ConnectTimeout:  cfg.ConnectTimeout,
		MaxPayload:      int(cfg.MaxPayload),
		MaxOutbox:       int(cfg.MaxOutbox),
		MaxPendingAcks:  cfg.MaxPendingAcks,
		MaxNamespaces:   cfg.MaxNamespaces,
		EventsPerSecond: cfg.MaxEventRate,
		BytesPerSecond:  int(cfg.MaxByteRate),
		AllowEIO3:       cfg.AllowEIO3,
		KeepAuth:        cfg.KeepAuth,
		Recovery:        p.recovery,
		KeepHeaders:     keep,
		HeadTimeout:     cfg.HeadTimeout,
		MaxPendingHeads: cfg.MaxPendingHeads,
		DisableClient:   !cfg.ServeClient,
		Web:             webRoot(cfg.WebRoot),
		Engine:          cfg.Engine,
		Logger:          p.logger,
	}
}

// Start opens the three listeners and serves them. The error names the flag of the first that cannot be opened; then
// nothing stays open and the Process cannot be used any more.
func (p *Process) Start(ctx context.Context) error {
	listeners := [...]struct {
		flag, address string
		at            *net.Addr
		serve         func(net.Listener) error
	}{
		{"listen", p.cfg.Listen, &p.addrs.Edge, p.edge.Serve},
		{"grpc-listen", p.cfg.GRPCListen, &p.addrs.GRPC, p.grpc.Serve},
		{"admin-listen", p.cfg.AdminListen, &p.addrs.Admin, p.admin.Serve},
	}
	// Sessions are watched by their own heartbeats, gRPC by HTTP/2's: TCP's would only cost timers.
	config := net.ListenConfig{KeepAlive: -1}
	var opened [len(listeners)]net.Listener
	for i, l := range listeners {
		var err error
		if opened[i], err = config.Listen(ctx, "tcp", l.address); err != nil {
			for _, earlier := range opened[:i] {
				_ = earlier.Close()
			}
			_ = p.edge.Shutdown(ctx) // it has nothing to wait for
			return fmt.Errorf("--%s: %w", l.flag, err)
		}
		*l.at = opened[i].Addr()
	}
	for i, l := range listeners {
		p.serves.Go(func() { p.serve(l.flag, l.serve, opened[i]) })
	}
	p.ready.Store(true)
	return nil
}

// serve runs one listener until Stop, or until it fails.
func (p *Process) serve(flag string, serve func(net.Listener) error, l net.Listener) {
	err := serve(l)
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		p.failed <- fmt.Errorf("--%s: %w", flag, err)
	}
}

// Addrs tells where the Process listens, after Start.
func (p *Process) Addrs() Addrs { return p.addrs }

// Failed brings what ended a listener before Stop.
func (p *Process) Failed() <-chan error { return p.failed }

// Stop ends everything in the reverse order of Start: readiness first, then the edge, so that the streams still tell
// of its disconnects, then gRPC, and last what tells of health and metrics. Each part may take three quarters of the
// time that ctx leaves, so that the next has some; what is not done by then is cut off, and the error wraps the
// context's.
func (p *Process) Stop(ctx context.Context) error {
	p.ready.Store(false)
	p.service.Drain()
	cleanups := []struct {
		name string
		do   func(context.Context) error
	}{
		{"admin", p.stopAdmin},
		{"grpc", p.stopGRPC},
		{"edge", p.edge.Shutdown},
	}
	var errs []error
	for _, c := range slices.Backward(cleanups) {
		began := time.Now()
		part, cancel := mostOf(ctx)
		if err := c.do(part); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
		cancel()
		p.logger.Debug("stopped a part", "part", c.name, "took", time.Since(began))
	}
	p.serves.Wait()
	return errors.Join(errs...)
}

// mostOf returns a context that ends when three quarters of the time that ctx leaves have passed.
func mostOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*3/4)
}

// stopGRPC ends the streams with a reason and waits for the calls; at the end of ctx it cuts them off.
func (p *Process) stopGRPC(ctx context.Context) error {
	p.service.Shutdown()
	done := make(chan struct{})
	go func() { // ends with GracefulStop, which Stop ends
		defer close(done)
		p.grpc.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		p.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

func (p *Process) stopAdmin(ctx context.Context) error {
	if err := p.admin.Shutdown(ctx); err != nil {
		return errors.Join(err, p.admin.Close())
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/adminui"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/service/gateway"
	"github.com/realtime-svc/realtime-svc/service/jwt"
	"github.com/realtime-svc/realtime-svc/service/tracing"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// Process is one running service. Make it with NewProcess, then Start, then Stop, each once.
type Process struct {
	// Fixed at construction.
	cfg          Config
	logger       *slog.Logger
	feed         *feed.Feed
	service      *service.Service
	allowed      *service.AllowedEvents
	edge         *wsedge.Server
	recovery     *wsedge.Recovery // nil: lost sockets are not kept
	certificates *certificates    // nil: there is no WebTransport
	edgeTLS      *certificates    // nil: the edge speaks plain HTTP
	guard        *access.Guard
	jwt          *jwt.Admitter    // nil: tokens are not looked at
	adminUI      *adminui.UI      // nil: it may not connect
	tracing      *tracing.Tracing // nil: nothing is traced
	grpc         *grpc.Server
	http         *gateway.Gateway // nil: nobody calls with HTTP
	admin        *http.Server

	// Inherited are listeners that Start uses instead of opening its own, by name: "edge", "grpc", "admin" and "http". Set it before
	// Start, which takes them over.
	Inherited map[string]net.Listener

	addrs  Addrs      // set by Start
	failed chan error // what ended a listener before Stop; has room for all
	ready  atomic.Bool
	serves sync.WaitGroup // the goroutines of the listeners and of the guard

	endGuard context.CancelFunc // set by Start
	shared   []net.Listener     // those that another process may listen on, but the edge's; set by Start

	drainOnce sync.Once // of startDrain
	left      atomic.Int64
	endDrain  context.CancelFunc // set by drainOnce
}

// Addrs is where a started Process listens.
type Addrs struct {
	Edge, GRPC, Admin net.Addr
	HTTP              net.Addr // nil if it is not enabled
	WebTransport      net.Addr // UDP; nil if it is not enabled
}

// NewProcess builds the parts and opens nothing. The error is that of a cfg that does not pass [Config.Validate], or of
// an engine that this system does not have.
func NewProcess(cfg Config, logger *slog.Logger) (*Process, error) {
	p := &Process{cfg: cfg, logger: logger, failed: make(chan error, 6)}
	var hub *rooms.Hub // each of the two knows the other: the feed asks for room events, the hub tells them
	var err error
	if p.feed, err = feed.New(p.feedConfig(func() *rooms.Hub { return hub })); err != nil {
		return nil, fmt.Errorf("--watch-buffer, --group-*: %w", err)
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
	if p.certificates, err = cfg.certificates(logger); err != nil {
		return nil, err
	}
	if p.edgeTLS, err = cfg.edgeCertificates(logger); err != nil {
		return nil, err
	}
	if p.tracing, err = cfg.tracing(logger); err != nil {
		return nil, err
	}
	registry := newRegistry(cfg.NodeID)
	if err = p.newGRPC(registry); err != nil {
		return nil, errors.Join(err, p.stopTracing(context.Background()))
	}
	if p.allowed, err = service.NewAllowedEvents(cfg.AllowedEvents, p.feed, logger); err != nil {
		return nil, errors.Join(fmt.Errorf("--allowed-events: %w", err), p.stopTracing(context.Background()))
	}
	if err = p.newJWT(hub); err != nil {
		return nil, errors.Join(err, p.stopTracing(context.Background()))
	}
	edge := p.edgeConfig(hub)
	if err = p.newAdminUI(hub, &edge); err != nil {
		return nil, errors.Join(err, p.stopTracing(context.Background()))
	}
	if p.edge, err = wsedge.New(edge); err != nil {
		return nil, errors.Join(fmt.Errorf("--engine=%s: %w", cfg.Engine, err), p.stopTracing(context.Background()))
	}
	registry.MustRegister(&collector{hub, p.edge.Stats, p.feed.Stats, p.feed.Groups, p.service.Idempotency, p.service.Admissions().Stats})
	if p.jwt != nil {
		registry.MustRegister(&jwtCollector{p.jwt.Stats})
	}
	p.admin = newAdmin(registry, p.ready.Load, logger)
	if cfg.AdminProfiles {
		addProfiles(p.admin)
	}
	return p, nil
}

func (p *Process) hubConfig() rooms.HubConfig {
	cfg := rooms.HubConfig{
		Namespaces: p.cfg.Namespaces,
		Patterns:   p.cfg.NamespacePatterns,
		MaxDynamic: p.cfg.MaxDynamicNamespaces,
		RoomEvents: p.roomEvents,
	}
	if p.recovery != nil {
		cfg.Recorder = p.recovery.Recorder
	}
	if p.cfg.AdminUI != "off" {
		cfg.Namespaces = append(slices.Clone(cfg.Namespaces), p.cfg.AdminUINamespace)
		if p.recovery != nil {
			cfg.Recorder = p.recordOthers
		}
	}
	return cfg
}

// serviceConfig leaves NodeID to chance: tokens must tell this process from the one before a restart, which had the
// same --node-id.
func (p *Process) serviceConfig(hub *rooms.Hub) service.Config {
	return service.Config{
		Hub: hub, Feed: p.feed, Logger: p.logger,
		Admission: service.AdmissionConfig{
			Policy:          service.Policy(p.cfg.AdmissionPolicy),
			HandshakePolicy: service.Policy(p.cfg.HandshakePolicy),
			Timeout:         p.cfg.AdmissionTimeout,
			MaxPending:      p.cfg.AdmissionPending,
			MaxPendingBytes: int(p.cfg.AdmissionBytes),
		},
		Idempotency: service.IdempotencyConfig{Window: p.cfg.IdempotencyWindow, Keys: p.cfg.IdempotencyKeys},
		Drain:       p.startDrain,
	}
}

// Discard ends a Process that is not started, and will not be.
func (p *Process) Discard(ctx context.Context) {
	_ = p.edge.Shutdown(ctx) // it has nothing to wait for
	_ = p.stopTracing(ctx)
}

// Addrs tells where the Process listens, after Start.
func (p *Process) Addrs() Addrs { return p.addrs }

// Failed brings what ended a listener before Stop.
func (p *Process) Failed() <-chan error { return p.failed }

// Stop ends everything in the reverse order of Start: readiness first, then the edge, whose clients are sent on at their pace, so that the streams still tell
// of its disconnects, then HTTP's calls, then gRPC, then the traces of both, and last what tells of health and metrics. Each part may take three quarters of the
// time that ctx leaves, so that the next has some; what is not done by then is cut off, and the error wraps the
// context's.
func (p *Process) Stop(ctx context.Context) error {
	p.ready.Store(false)
	p.service.Drain()
	p.drain(ctx)
	cleanups := []struct {
		name string
		do   func(context.Context) error
	}{
		{"admin", p.stopAdmin},
		{"traces", p.stopTracing},
		{"grpc", p.stopGRPC},
		{"http", p.stopHTTP},
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
	p.endGuard()
	if p.adminUI != nil {
		p.adminUI.Stop()
	}
	p.drainOnce.Do(func() { p.endDrain = func() {} })
	p.endDrain()
	if p.jwt != nil {
		p.jwt.Stop()
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

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
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// Process is one running service. Make it with NewProcess, then Start, then Stop, each once.
type Process struct {
	// Fixed at construction.
	cfg     Config
	logger  *slog.Logger
	feed    *feed.Feed
	service *service.Service
	edge    *wsedge.Server
	grpc    *grpc.Server
	admin   *http.Server

	addrs  Addrs      // set by Start
	failed chan error // what ended a listener before Stop
	ready  atomic.Bool
	serves sync.WaitGroup // the goroutines of the listeners
}

// Addrs is where a started Process listens.
type Addrs struct{ Edge, GRPC, Admin net.Addr }

// NewProcess builds the parts and opens nothing. cfg must be valid.
func NewProcess(cfg Config, logger *slog.Logger) (*Process, error) {
	p := &Process{cfg: cfg, logger: logger, failed: make(chan error, 3)}
	hub, err := rooms.NewHub(cfg.Namespaces...)
	if err != nil {
		return nil, fmt.Errorf("--namespaces: %w", err)
	}
	if p.feed, err = feed.New(feed.Config{QueueBytes: int(cfg.WatchBuffer)}); err != nil {
		return nil, fmt.Errorf("--watch-buffer: %w", err)
	}
	p.service, err = service.New(service.Config{
		Hub: hub, Feed: p.feed, NodeID: cfg.NodeID, Logger: logger,
		Admission: service.AdmissionConfig{Policy: service.Policy(cfg.AdmissionPolicy), Timeout: cfg.AdmissionTimeout},
	})
	if err != nil {
		return nil, err
	}
	registry := newRegistry()
	if p.grpc, err = service.NewServer(p.service, service.ServerConfig{Registerer: registry}); err != nil {
		return nil, err
	}
	if p.edge, err = wsedge.New(p.edgeConfig(hub)); err != nil {
		return nil, err
	}
	registry.MustRegister(newCollector(p.edge.Stats, p.feed.Stats, p.service.Admissions().Stats))
	p.admin = newAdmin(registry, p.ready.Load)
	return p, nil
}

func (p *Process) edgeConfig(hub *rooms.Hub) wsedge.Config {
	cfg := p.cfg
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
		KeepHeaders:     cfg.KeepHeaders,
		HeadTimeout:     cfg.HeadTimeout,
		MaxPendingHeads: cfg.MaxPendingHeads,
		DisableClient:   !cfg.ServeClient,
		Web:             webRoot(cfg.WebRoot),
		Engine:          cfg.Engine,
		Logger:          p.logger,
	}
}

// Start opens the three listeners and serves them. On an error nothing stays open and the Process cannot be used any more.
func (p *Process) Start(ctx context.Context) error {
	var opened []net.Listener
	listen := func(flag, address string) (net.Listener, error) {
		// Sessions are watched by their own heartbeats, gRPC by HTTP/2's.
		l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		opened = append(opened, l)
		return l, nil
	}
	edge, err1 := listen("listen", p.cfg.Listen)
	control, err2 := listen("grpc-listen", p.cfg.GRPCListen)
	admin, err3 := listen("admin-listen", p.cfg.AdminListen)
	if err := errors.Join(err1, err2, err3); err != nil {
		for _, l := range opened {
			_ = l.Close()
		}
		return errors.Join(err, p.edge.Shutdown(ctx))
	}
	p.addrs = Addrs{Edge: edge.Addr(), GRPC: control.Addr(), Admin: admin.Addr()}
	p.serve("edge", func() error { return p.edge.Serve(edge) })
	p.serve("grpc", func() error { return p.grpc.Serve(control) })
	p.serve("admin", func() error { return p.admin.Serve(admin) })
	p.ready.Store(true)
	return nil
}

// serve runs one listener on a goroutine of its own until Stop.
func (p *Process) serve(name string, serve func() error) {
	p.serves.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
			p.failed <- fmt.Errorf("%s listener: %w", name, err)
		}
	})
}

// Addrs tells where the Process listens, after Start.
func (p *Process) Addrs() Addrs { return p.addrs }

// Failed brings what ended a listener before Stop.
func (p *Process) Failed() <-chan error { return p.failed }

// Stop ends everything in the reverse order of Start: readiness first, then the edge, so that the streams still tell
// of its disconnects, then gRPC, and last what tells of health and metrics. When ctx ends first, what is left is cut
// off and ctx's error returned.
func (p *Process) Stop(ctx context.Context) error {
	p.ready.Store(false)
	var errs []error
	cleanups := []struct {
		name string
		do   func(context.Context) error
	}{
		{"admin", p.stopAdmin},
		{"grpc", p.stopGRPC},
		{"edge", p.edge.Shutdown},
		{"health", func(context.Context) error { p.service.Drain(); return nil }},
	}
	for _, c := range slices.Backward(cleanups) {
		began := time.Now()
		if err := c.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
		p.logger.Debug("stopped", "part", c.name, "took", time.Since(began))
	}
	p.serves.Wait()
	return errors.Join(errs...)
}

// stopGRPC ends the streams with a reason and waits for the calls; at the end of ctx it cuts them off.
func (p *Process) stopGRPC(ctx context.Context) error {
	p.service.Shutdown()
	done := make(chan struct{})
	go func() {
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

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/access"
)

// newGRPC makes the gRPC server and what guards it.
func (p *Process) newGRPC(registry prometheus.Registerer) error {
	traced := p.tracingOptions(registry)
	var secured []grpc.ServerOption
	var certificates *certificates
	var err error
	if p.cfg.GRPCTLSCert != "" {
		if certificates, err = newCertificates(certificateFiles{p.cfg.GRPCTLSCert, p.cfg.GRPCTLSKey, p.cfg.GRPCTLSClientCA}, p.logger); err != nil {
			return fmt.Errorf("--grpc-tls-cert: %w", err)
		}
		secured = append(secured, grpc.Creds(credentials.NewTLS(certificates.callers("h2"))))
	}
	if p.guard, err = access.New(p.accessConfig()); err != nil {
		return withFlag("--grpc-tokens", err)
	}
	newServer := func(options ...grpc.ServerOption) (*grpc.Server, error) {
		return service.NewServer(p.service, service.ServerConfig{Registerer: registry, Guard: p.guard}, append(options, traced...)...)
	}
	if p.grpc, err = newServer(secured...); err != nil {
		return err
	}
	p.newHTTP = func() error { return p.makeHTTP(newServer, certificates) }
	return nil
}

func (p *Process) accessConfig() access.Config {
	return access.Config{
		TokensFile:   p.cfg.GRPCTokens,
		Certificates: p.cfg.GRPCTLSClientCA != "",
		Rate:         float64(p.cfg.GRPCRate),
		Burst:        p.cfg.GRPCBurst,
		MaxStreams:   p.cfg.GRPCMaxStreams,
		Logger:       p.logger,
	}
}

// withFlag puts the flag before each problem.
func withFlag(flag string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", flag, err)
	}
	var problems []error
	for _, problem := range joined.Unwrap() {
		problems = append(problems, fmt.Errorf("%s: %w", flag, problem))
	}
	return errors.Join(problems...)
}

// startGuard runs the guard until endGuard is called.
func (p *Process) startGuard() {
	ctx, cancel := context.WithCancel(context.Background())
	p.endGuard = cancel
	p.serves.Go(func() { p.guard.Run(ctx) })
}

// checkGRPC covers who may call. Files are looked at when the Process is made.
func (c *Config) checkGRPC(wrong func(name, format string, args ...any)) {
	switch {
	case c.GRPCTLSCert == "" && c.GRPCTLSKey != "":
		wrong("grpc-tls-key", "needs --grpc-tls-cert")
	case c.GRPCTLSCert != "" && c.GRPCTLSKey == "":
		wrong("grpc-tls-cert", "needs --grpc-tls-key")
	}
	if c.GRPCTLSClientCA != "" && c.GRPCTLSCert == "" {
		wrong("grpc-tls-client-ca", "needs --grpc-tls-cert")
	}
	if checkAddress(c.GRPCListen) == nil && !loopback(c.GRPCListen) && c.GRPCTokens == "" && c.GRPCTLSClientCA == "" && !c.GRPCInsecure {
		wrong("grpc-listen", "%q can be reached from other machines, and whoever reaches it controls every client: set --grpc-tokens or --grpc-tls-client-ca, listen on 127.0.0.1, or say --grpc-insecure if something else keeps strangers out", c.GRPCListen)
	}
}

// loopback reports whether an address host:port is one that only this machine reaches. Of names only "localhost" is.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// warnOfGRPC says what the settings of gRPC leave open.
func warnOfGRPC(logger *slog.Logger, cfg Config, at net.Addr) {
	if loopback(at.String()) {
		return
	}
	switch {
	case cfg.GRPCTokens == "" && cfg.GRPCTLSClientCA == "":
		logger.Warn("gRPC listens beyond this machine and has no authentication: whoever reaches it controls every client",
			"grpc_listen", at.String())
	case cfg.GRPCTLSCert == "":
		logger.Warn("gRPC listens beyond this machine without TLS: whoever reads along learns the tokens", "grpc_listen", at.String())
	}
}

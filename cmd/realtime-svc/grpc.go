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
	"github.com/realtime-svc/realtime-svc/service/gateway"
)

// newGRPC makes the gRPC server and what guards it.
func (p *Process) newGRPC(registry prometheus.Registerer) error {
	options := p.tracingOptions(registry)
	var found *certificates
	var err error
	if p.cfg.GRPCTLSCert != "" {
		found, err = newCertificates(certificateFiles{p.cfg.GRPCTLSCert, p.cfg.GRPCTLSKey, p.cfg.GRPCTLSClientCA}, p.logger)
		if err != nil {
			return fmt.Errorf("--grpc-tls-cert: %w", err)
		}
		options = append(options, grpc.Creds(gateway.Credentials(credentials.NewTLS(found.callers("h2")))))
	}
	if err = p.newHTTP(found); err != nil {
		return err
	}
	if p.guard, err = access.New(p.accessConfig()); err != nil {
		return withFlag("--grpc-tokens", err)
	}
	p.grpc, err = service.NewServer(p.service, service.ServerConfig{Registerer: registry, Guard: p.guard}, options...)
	return err
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
	c.checkReach("grpc-listen", c.GRPCListen, wrong)
}

// checkReach refuses an address for callers that strangers reach.
func (c *Config) checkReach(name, address string, wrong func(name, format string, args ...any)) {
	if checkAddress(address) == nil && !loopback(address) && c.openToAll() && !c.GRPCInsecure {
		wrong(name, "%q can be reached from other machines, and whoever reaches it controls every client: set --grpc-tokens or --grpc-tls-client-ca, listen on 127.0.0.1, or say --grpc-insecure if something else keeps strangers out", address)
	}
}

// openToAll reports whether callers need neither a token nor a certificate.
func (c *Config) openToAll() bool { return c.GRPCTokens == "" && c.GRPCTLSClientCA == "" }

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

// warnOfGRPC says what the settings of gRPC leave open. protocol is what callers speak there, and key names the listener.
func warnOfGRPC(logger *slog.Logger, cfg Config, protocol, key string, at net.Addr) {
	if at == nil || loopback(at.String()) {
		return
	}
	switch {
	case cfg.openToAll():
		logger.Warn(protocol+" listens beyond this machine and has no authentication: whoever reaches it controls every client", key, at.String())
	case cfg.GRPCTLSCert == "":
		logger.Warn(protocol+" listens beyond this machine without TLS: whoever reads along learns the tokens", key, at.String())
	}
}

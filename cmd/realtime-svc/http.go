package main

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/realtime-svc/realtime-svc/service/gateway"
)

// httpFlag names where HTTP and JSON are served.
const httpFlag = "http-listen"

// newHTTP makes the HTTP face of gRPC, if that is enabled, with the certificates of gRPC; nil: without TLS.
func (p *Process) newHTTP(found *certificates) error {
	if p.cfg.HTTPListen == "" {
		return nil
	}
	var config *tls.Config
	if found != nil {
		config = found.callers("http/1.1")
	}
	var err error
	p.http, err = gateway.New(gateway.Config{
		TLS:     config,
		MaxBody: p.service.MaxRequestBytes(),
		// A name that leads to a loopback address is in nobody's control; other addresses are --grpc-insecure's.
		LocalOnly: func() bool { return p.cfg.openToAll() && loopback(p.addrs.HTTP.String()) },
		Logger:    p.logger,
	})
	return err
}

// startHTTP lets the gRPC server serve what comes with HTTP.
func (p *Process) startHTTP() {
	if p.http != nil {
		p.serves.Go(func() { p.ended(httpFlag, p.grpc.Serve(p.http.Calls())) })
	}
}

// stopHTTP ends the streams, of gRPC as well, and waits for the requests; at the end of ctx it cuts them off.
func (p *Process) stopHTTP(ctx context.Context) error {
	if p.http == nil {
		return nil
	}
	p.service.Shutdown()
	if err := p.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	return nil
}

// checkHTTP covers who may call with HTTP: whoever may with gRPC.
func (c *Config) checkHTTP(wrong func(name, format string, args ...any)) {
	if c.HTTPListen == "" {
		return
	}
	if err := checkAddress(c.HTTPListen); err != nil {
		wrong(httpFlag, "%w", err)
	}
	c.checkReach(httpFlag, c.HTTPListen, wrong)
}

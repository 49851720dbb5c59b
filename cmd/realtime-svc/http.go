package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/realtime-svc/realtime-svc/service/gateway"
)

// httpFlag names where the control plane is served with HTTP and JSON.
const httpFlag = "http-listen"

// maxHTTPBody bounds a request: the largest message in base64, and what is around it.
const maxHTTPBody = 8 << 20

// makeHTTP makes the HTTP face of the control plane, if there is to be one. certificates are those of gRPC; nil: there is no TLS.
func (p *Process) makeHTTP(newServer func(...grpc.ServerOption) (*grpc.Server, error), certificates *certificates) error {
	if p.cfg.HTTPListen == "" {
		return nil
	}
	var err error
	p.gateway, err = gateway.New(gateway.Config{NewServer: newServer, MaxBody: maxHTTPBody, Tokens: p.cfg.GRPCTokens != ""})
	if err != nil {
		return err
	}
	p.http = &http.Server{
		Handler:           p.gateway,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
	if certificates != nil {
		p.http.TLSConfig = certificates.callers("h2", "http/1.1")
	}
	return nil
}

func (p *Process) serveHTTP(l net.Listener) error {
	if p.http.TLSConfig != nil {
		return p.http.ServeTLS(l, "", "")
	}
	return p.http.Serve(l)
}

// stopHTTP waits for the requests; at the end of ctx it cuts them off.
func (p *Process) stopHTTP(ctx context.Context) error {
	if p.http == nil {
		return nil
	}
	err := p.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.http.Close())
	}
	return errors.Join(err, p.gateway.Shutdown(ctx))
}

// checkHTTP covers who may call with HTTP, as checkGRPC does for gRPC.
func (c *Config) checkHTTP(wrong func(name, format string, args ...any)) {
	if c.HTTPListen == "" {
		return
	}
	if err := checkAddress(c.HTTPListen); err != nil {
		wrong(httpFlag, "%w", err)
		return
	}
	if c.GRPCTLSClientCA != "" && c.GRPCTokens == "" {
		wrong(httpFlag, "callers with HTTP are told apart by token, not by certificate: it needs --grpc-tokens")
	}
	if !loopback(c.HTTPListen) && c.GRPCTokens == "" && !c.GRPCInsecure {
		wrong(httpFlag, "%q can be reached from other machines, and whoever reaches it controls every client: set --grpc-tokens, listen on 127.0.0.1, or say --grpc-insecure if something else keeps strangers out", c.HTTPListen)
	}
}

package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// edgeConfig is what the edge is told of the configuration.
func (p *Process) edgeConfig(hub *rooms.Hub) wsedge.Config {
	cfg := p.cfg
	edge := wsedge.Config{
		Hub:             hub,
		Observer:        p.observer(),
		Admitter:        p.service.Admissions(),
		Handshakes:      p.service.Admissions(),
		Path:            cfg.Path,
		HTTP:            cfg.http(),
		Transports:      cfg.Transports,
		DisableUpgrades: !cfg.AllowUpgrades,
		PingInterval:    cfg.PingInterval,
		PingTimeout:     cfg.PingTimeout,
		UpgradeTimeout:  cfg.UpgradeTimeout,
		ConnectTimeout:  cfg.ConnectTimeout,
		AllowEIO3:       cfg.AllowEIO3,
		Deflate:         wsedge.DeflateConfig{Enabled: cfg.Deflate, Threshold: int(cfg.DeflateMin)},
		Recovery:        p.recovery,
		MaxPayload:      int(cfg.MaxPayload),
		MaxOutbox:       int(cfg.MaxOutbox),
		MaxPendingAcks:  cfg.MaxPendingAcks,
		MaxNamespaces:   cfg.MaxNamespaces,
		EventsPerSecond: cfg.MaxEventRate,
		BytesPerSecond:  int(cfg.MaxByteRate),
		ProxyProtocol:   cfg.ProxyProtocol,
		TrustedProxies:  cfg.TrustedProxies,
		KeepAuth:        cfg.KeepAuth,
		KeepHeaders:     lower(cfg.KeepHeaders),
		HeadTimeout:     cfg.HeadTimeout,
		MaxPendingHeads: cfg.MaxPendingHeads,
		DisableClient:   !cfg.ServeClient,
		Web:             p.web(),
		Engine:          cfg.Engine,
		Logger:          p.logger,

		AdmissionHeaders: lower(cfg.AdmissionHeaders),

		MaxSessionsPerAddress:    cfg.MaxSessionsPerAddress,
		MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		HandshakesPerSecond:      float64(cfg.HandshakesPerSecond),
	}
	if p.jwt != nil {
		tokens := cfg.jwtConfig()
		edge.Admitter, edge.Observer, edge.CredentialHeaders = p.jwt, p.jwt, tokens.Headers()
	}
	if p.edgeTLS != nil {
		edge.TLS = p.edgeTLS.http()
	}
	if p.certificates != nil {
		edge.WebTransportTLS = p.certificates.config()
	}
	return edge
}

// web is what answers outside the path; nil: nothing.
func (p *Process) web() http.Handler {
	if p.cfg.WebUpstream != "" {
		return webUpstream(p.cfg.WebUpstream, p.cfg.TrustedProxies, p.logger)
	}
	return webRoot(p.cfg.WebRoot)
}

// lower returns the names in lower case, as a handshake has those of headers.
func lower(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToLower(name)
	}
	return out
}

// observer is who hears what sockets do: the traces, which hear of refused events, too, then the list of those that are
// allowed, then the feed.
func (p *Process) observer() wsedge.Observer {
	var observer wsedge.Observer = p.feed
	if len(p.cfg.AllowedEvents) > 0 {
		observer = p.allowed
	}
	if p.tracing != nil {
		observer = p.tracing.Observer(observer)
	}
	return observer
}

// http is what requests are answered by. The configuration is valid.
func (c *Config) http() wsedge.HTTPConfig {
	cookie, _ := parseCookie(c.Cookie)
	cfg := wsedge.HTTPConfig{
		DisableTrailingSlash: !c.AddTrailingSlash,
		CORS:                 c.cors(),
		AllowedOrigins:       c.AllowedOrigins,
		Cookie:               cookie,
		CompressionThreshold: int(c.Compression),
	}
	if c.Compression == 0 {
		cfg.CompressionThreshold = -1
	}
	return cfg
}

// cors is nil when there is none.
func (c *Config) cors() *wsedge.CORS {
	if len(c.CORSOrigins) == 0 {
		return nil
	}
	cors := &wsedge.CORS{
		Credentials: c.CORSCredentials, MaxAge: c.CORSMaxAge,
		Methods: c.CORSMethods, AllowedHeaders: c.CORSAllowedHeaders, ExposedHeaders: c.CORSExposedHeaders,
	}
	switch only := c.CORSOrigins[0]; {
	case len(c.CORSOrigins) > 1:
		cors.Origins = c.CORSOrigins
	case only == "reflect":
		cors.AnyOrigin = true
	default:
		cors.Origin = only
	}
	return cors
}

// parseCookie reads a cookie's name and attributes; nil for no text.
func parseCookie(text string) (*http.Cookie, error) {
	name, attributes, given := strings.Cut(text, ";")
	switch name = strings.TrimSpace(name); {
	case name == "" && !given:
		return nil, nil //nolint:nilnil // no cookie is what an empty setting means
	case !given:
		attributes = "Path=/; HttpOnly; SameSite=Lax"
	}
	cookie, err := http.ParseSetCookie(name + "=x; " + attributes)
	if err != nil {
		return nil, fmt.Errorf("%q is not a cookie's name and attributes: %w", text, err)
	}
	if len(cookie.Unparsed) > 0 {
		return nil, fmt.Errorf("%q is no attribute of a cookie", cookie.Unparsed[0])
	}
	cookie.Value, cookie.Raw = "", ""
	return cookie, nil
}

// checkPages covers the settings that concern pages of other origins.
func (c *Config) checkPages(wrong func(name, format string, args ...any)) {
	if cors := c.cors(); cors != nil {
		if err := (wsedge.HTTPConfig{CORS: cors}).Validate(); err != nil {
			wrong("cors-origins", "%w", err)
		}
		for _, origin := range c.CORSOrigins {
			if len(c.CORSOrigins) > 1 && (origin == "*" || origin == "reflect") {
				wrong("cors-origins", "%q stands alone", origin)
			}
		}
	}
	if err := (wsedge.HTTPConfig{AllowedOrigins: c.AllowedOrigins}).Validate(); err != nil {
		wrong("allowed-origins", "%w", err)
	}
	cookie, err := parseCookie(c.Cookie)
	if err == nil {
		err = wsedge.HTTPConfig{Cookie: cookie}.Validate()
	}
	if err != nil {
		wrong("cookie", "%w", err)
	}
}

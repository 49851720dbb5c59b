package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

// Config says what is traced, and who gets it.
type Config struct {
	// Endpoint is the host:port of a collector that speaks OTLP over gRPC. Required, unless Exporter is set.
	Endpoint string
	// Insecure speaks to it without TLS.
	Insecure bool
	// Ratio is how many of the traces that begin here are recorded, from 0, none, to 1, all. A call that comes with a
	// trace is recorded if that one is.
	Ratio float64
	// Node and Version tell this process from others: service.instance.id and service.version. The variables
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over both.
	Node, Version string
	// Namespaces are those whose names spans may have.
	Namespaces []string
	// Logger hears when exports begin to fail, how many spans were lost so far once a minute, and when they succeed again.
	// Nil discards it.
	Logger *slog.Logger
	// Exporter gets the spans instead of Endpoint. Nil: OTLP, whose further settings are the variables
	// OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY, _COMPRESSION and _TIMEOUT.
	Exporter sdktrace.SpanExporter
}

const (
	scope         = "github.com/realtime-svc/realtime-svc"
	services      = "realtime.v1." // what the names of our services begin with
	exportTimeout = 10 * time.Second
)

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Endpoint == "" && c.Exporter == nil {
		errs = append(errs, errors.New("tracing: Endpoint is required"))
	}
	if !(c.Ratio >= 0 && c.Ratio <= 1) { // so that NaN is refused
		errs = append(errs, fmt.Errorf("tracing: Ratio must be from 0 to 1, not %v", c.Ratio))
	}
	return errors.Join(errs...)
}

// Tracing makes spans and sends them. All methods may be called from any goroutine.
type Tracing struct {
	// Fixed at construction.
	provider   *sdktrace.TracerProvider
	tracer     trace.Tracer
	exporter   *exporter
	namespaces map[string]attribute.KeyValue
}

// New returns a Tracing. It has goroutines from the start: Shutdown ends them. It does not wait for the collector, which
// need not be there yet. It fails as [Config.Validate] does, or when the variables named at Config are wrong.
func New(cfg Config) (*Tracing, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	about, err := describe(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Exporter == nil {
		if cfg.Exporter, err = otlp(cfg); err != nil {
			return nil, err
		}
	}
	exporter := newExporter(cfg.Exporter, cfg.Logger)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithSpanProcessor(counting{&exporter.recorded}),
		sdktrace.WithBatcher(exporter, sdktrace.WithExportTimeout(exportTimeout)),
	)
	t := &Tracing{provider: provider, tracer: provider.Tracer(scope), exporter: exporter, namespaces: make(map[string]attribute.KeyValue)}
	for _, name := range cfg.Namespaces {
		t.namespaces[name] = attribute.String("realtime.namespace", name)
	}
	return t, nil
}

// describe says whose the spans are.
func describe(cfg Config) (*resource.Resource, error) {
	about, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "realtime-svc"),
			attribute.String("service.version", cfg.Version),
			attribute.String("service.instance.id", cfg.Node),
		),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("tracing: describe this process: %w", err)
	}
	return about, nil
}

// otlp makes the exporter that speaks to the collector. The scheme says whether that takes TLS, whatever OTEL_ variables
// say.
func otlp(cfg Config) (sdktrace.SpanExporter, error) {
	scheme := "https://"
	if cfg.Insecure {
		scheme = "http://"
	}
	e, err := otlptracegrpc.New(context.Background(), otlptracegrpc.WithEndpointURL(scheme+cfg.Endpoint))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return e, nil
}

// ServerOption lets a gRPC server make a span of each call, a child of the one that the caller's metadata names, if any. A
// stream is one span, however many messages it has. Only calls of services whose name begins with ours make one: health
// checks and reflection would fill every store of traces, and what else is called has a name that callers choose.
func (t *Tracing) ServerOption() grpc.ServerOption {
	return grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.provider),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(filters.ServicePrefix(services)),
	))
}

// Shutdown sends what waits, until ctx ends; what has not been sent by then is dropped, counted and logged. What is traced
// later is lost. When it returns, there is nothing left of the Tracing. Calling it again is harmless.
func (t *Tracing) Shutdown(ctx context.Context) {
	defer context.AfterFunc(ctx, t.exporter.cut)()
	// Its own end would leave a goroutine behind that goes on to export; cut ends that one as well.
	if err := t.provider.Shutdown(context.WithoutCancel(ctx)); err != nil {
		t.exporter.log.Warn("the exporter of traces did not end in order", "error", err)
	}
	t.exporter.sayLost()
}

// Stats counts spans since the Tracing was made. Recorded spans that are neither exported nor lost wait, or did not fit into
// the queue.
type Stats struct{ Recorded, Exported, Lost uint64 }

// Stats returns the counters. They are read one after the other, not at one moment.
func (t *Tracing) Stats() Stats {
	exported, lost := t.exporter.exported.Load(), t.exporter.lost.Load()
	return Stats{Recorded: t.exporter.recorded.Load(), Exported: exported, Lost: lost}
}

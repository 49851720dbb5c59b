package service

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Service is the control plane of one process. All methods may be called from any goroutine.
type Service struct {
	// Fixed at construction.
	cfg        Config
	admissions *Admissions
	repeats    *repeats
	health     *health.Server
	done       chan struct{} // closed by Shutdown

	once sync.Once // closes done
}

// New returns a service that is not registered with a server yet. It fails as [Config.Validate] does.
func New(cfg Config) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	admissions := newAdmissions(cfg.Admission)
	admissions.hasRoom, admissions.log = cfg.Feed.HasRoom, cfg.Logger
	return &Service{
		cfg:        cfg,
		admissions: admissions,
		repeats:    newRepeats(cfg.Idempotency),
		health:     health.NewServer(),
		done:       make(chan struct{}),
	}, nil
}

// Admissions decides for the edge who may connect.
func (s *Service) Admissions() *Admissions { return s.admissions }

// Idempotency returns what became of idempotency keys so far.
func (s *Service) Idempotency() IdempotencyStats { return s.repeats.snapshot() }

// Register registers all services of realtime.v1 and grpc.health.v1, and reports them all as SERVING.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	realtimev1.RegisterEmitServiceServer(r, &emitServer{Service: s})
	realtimev1.RegisterRoomServiceServer(r, &roomServer{Service: s})
	realtimev1.RegisterSocketServiceServer(r, &socketServer{Service: s})
	realtimev1.RegisterEventServiceServer(r, &eventServer{Service: s})
	realtimev1.RegisterAdmissionServiceServer(r, &admissionServer{Service: s})
	realtimev1.RegisterNodeServiceServer(r, &nodeServer{Service: s})
	healthpb.RegisterHealthServer(r, s.health)
	for _, name := range serviceNames {
		s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
}

// serviceNames are the names that the health service knows besides "", the whole server.
var serviceNames = []string{
	realtimev1.EmitService_ServiceDesc.ServiceName,
	realtimev1.RoomService_ServiceDesc.ServiceName,
	realtimev1.SocketService_ServiceDesc.ServiceName,
	realtimev1.EventService_ServiceDesc.ServiceName,
	realtimev1.AdmissionService_ServiceDesc.ServiceName,
	realtimev1.NodeService_ServiceDesc.ServiceName,
}

// Drain reports every service as NOT_SERVING from now on. All else goes on. Calling it again is harmless.
func (s *Service) Drain() { s.health.Shutdown() }

// Shutdown drains and ends the streams with UNAVAILABLE (SHUTTING_DOWN): watchers once they have read what is in their
// queues, so shut down the edge first, that they hear of the disconnects; admission with its open questions refused. It
// does not wait for them: that is what grpc.Server.GracefulStop does. Unary methods still work. The feed is shut down,
// too. Calling it again is harmless.
func (s *Service) Shutdown() {
	s.Drain()
	s.once.Do(func() { close(s.done) })
	s.admissions.shutdown()
	s.cfg.Feed.Shutdown()
}

func (s *Service) checker() checker { return checker{limits: &s.cfg.Limits} }

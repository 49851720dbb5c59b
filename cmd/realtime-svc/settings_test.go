package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// poller is a client on long-polling, by hand.
type poller struct {
	t    *testing.T
	base string
	open struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int      `json:"pingInterval"`
		PingTimeout  int      `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}
}

// poll opens a session.
func poll(t *testing.T, p *Process) *poller {
	t.Helper()
	c := &poller{t: t, base: "http://" + p.Addrs().Edge.String() + p.cfg.Path + "?EIO=4&transport=polling"}
	code, body := c.do(http.MethodGet, "")
	if code != http.StatusOK || !strings.HasPrefix(body, "0{") {
		t.Fatalf("handshake: %d %s", code, body)
	}
	if err := json.Unmarshal([]byte(body[1:]), &c.open); err != nil {
		t.Fatal(err)
	}
	c.base += "&sid=" + c.open.SID
	return c
}

// do makes one request and returns the answer's code and body.
func (c *poller) do(method, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("X-Test", "kept")
	r.Header.Set("Cookie", "secret=1")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// connect asks for a namespace and returns the answer.
func (c *poller) connect(namespace string) string {
	c.t.Helper()
	if code, body := c.do(http.MethodPost, "40"+namespace); code != http.StatusOK {
		c.t.Fatalf("%d %s", code, body)
	}
	_, body := c.do(http.MethodGet, "")
	return body
}

// Each setting can be seen from outside.
func TestSettingsTakeEffect(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Config)
		look func(t *testing.T, p *Process)
	}{
		"what the open packet says": {
			func(c *Config) {
				c.PingInterval, c.PingTimeout, c.MaxPayload, c.AllowUpgrades = 7*time.Second, 8*time.Second, 5000, false
			},
			func(t *testing.T, p *Process) {
				open := poll(t, p).open
				if open.PingInterval != 7000 || open.PingTimeout != 8000 || open.MaxPayload != 5000 || len(open.Upgrades) != 0 {
					t.Errorf("%+v", open)
				}
			},
		},
		"max-payload": {
			func(c *Config) { c.MaxPayload = 1024 },
			func(t *testing.T, p *Process) {
				if code, _ := poll(t, p).do(http.MethodPost, "4"+strings.Repeat("x", 1024)); code != http.StatusRequestEntityTooLarge {
					t.Error(code)
				}
			},
		},
		"path":       {func(c *Config) { c.Path = "/x/" }, func(t *testing.T, p *Process) { poll(t, p) }},
		"transports": {func(c *Config) { c.Transports = []string{"websocket"} }, refusesPolling},
		"namespaces": {
			func(c *Config) { c.Namespaces = []string{"/chat"} },
			func(t *testing.T, p *Process) {
				if got := poll(t, p).connect("/chat,"); !strings.HasPrefix(got, `40/chat,{"sid":`) {
					t.Error(got)
				}
				if got := poll(t, p).connect(""); got != `44{"message":"Invalid namespace"}` {
					t.Error(got)
				}
			},
		},
		"admission-policy": {
			func(c *Config) { c.AdmissionPolicy = "deny" },
			func(t *testing.T, p *Process) {
				if got := poll(t, p).connect(""); got != `44{"message":"admission unavailable"}` {
					t.Error(got)
				}
			},
		},
		"admission-timeout": {func(c *Config) { c.AdmissionTimeout = 10 * time.Millisecond }, timesOut},
		"connect-timeout": {
			func(c *Config) { c.ConnectTimeout = 100 * time.Millisecond },
			func(t *testing.T, p *Process) {
				if _, got := poll(t, p).do(http.MethodGet, ""); got != "1" {
					t.Errorf("%q is no close packet", got)
				}
			},
		},
		"keep-headers": {func(c *Config) { c.KeepHeaders = []string{"X-Test", "x-absent"} }, keepsHeader},
		"head-timeout": {func(c *Config) { c.HeadTimeout = 100 * time.Millisecond }, closesTheSilent},
		"serve-client": {
			func(c *Config) { c.ServeClient = false },
			func(t *testing.T, p *Process) {
				if code, body := fetch(t, p.Addrs().Edge, "/socket.io/socket.io.js"); code != 400 || !strings.Contains(body, "Transport unknown") {
					t.Errorf("%d %.100s", code, body)
				}
			},
		},
		"web-root": {
			func(c *Config) { c.WebRoot = "testdata" },
			func(t *testing.T, p *Process) {
				if code, body := fetch(t, p.Addrs().Edge, "/help.txt"); code != 200 || !strings.HasPrefix(body, "Usage:") {
					t.Errorf("%d %.100s", code, body)
				}
			},
		},
		"node-id": {
			func(c *Config) { c.NodeID = "n1" },
			func(t *testing.T, p *Process) {
				if _, body := fetch(t, p.Addrs().Admin, "/metrics"); !strings.Contains(body, `node="n1"`) {
					t.Error("the metrics do not tell the node")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.edit)
			defer stopped(t, p)
			c.look(t, p)
		})
	}
}

func refusesPolling(t *testing.T, p *Process) {
	code, body := fetch(t, p.Addrs().Edge, "/socket.io/?EIO=4&transport=polling")
	if code != 400 || body != `{"code":0,"message":"Transport unknown"}` {
		t.Errorf("%d %s", code, body)
	}
}

// timesOut attaches a service that never answers.
func timesOut(t *testing.T, p *Process) {
	admit, err := realtime.NewAdmissionServiceClient(dial(t, p)).Admit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := admit.Send(&realtime.AdmitRequest{Message: &realtime.AdmitRequest_Attach{Attach: &realtime.AdmitAttach{}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admit.Recv(); err != nil {
		t.Fatal(err)
	}
	if got := poll(t, p).connect(""); got != `44{"message":"admission timed out"}` {
		t.Error(got)
	}
}

func keepsHeader(t *testing.T, p *Process) {
	var hello struct{ SID string }
	got := poll(t, p).connect("")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "40")), &hello); err != nil {
		t.Fatal(got, err)
	}
	answer, err := realtime.NewSocketServiceClient(dial(t, p)).GetSocket(t.Context(), &realtime.GetSocketRequest{Namespace: "/", SocketId: hello.SID})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"x-test": "kept"}, answer.GetSocket().GetHandshake().GetHeaders()); diff != "" {
		t.Error(diff)
	}
}

func closesTheSilent(t *testing.T, p *Process) {
	c, err := net.Dial("tcp", p.Addrs().Edge.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// What cannot be seen from outside in a short time is handed on all the same; that it works is the parts' to show.
func TestSettingsReachTheParts(t *testing.T) {
	cfg := onPortsOfTheirOwn()
	cfg.Path, cfg.Transports, cfg.AllowUpgrades, cfg.ServeClient, cfg.KeepHeaders = "/x/", []string{"websocket"}, false, false, []string{"Cookie"}
	cfg.PingInterval, cfg.PingTimeout, cfg.UpgradeTimeout, cfg.ConnectTimeout, cfg.HeadTimeout = 1, 2, 3, 4, 5
	cfg.MaxPayload, cfg.MaxOutbox, cfg.MaxPendingAcks, cfg.MaxPendingHeads, cfg.Engine = 6, 7, 8, 9, "portable"
	cfg.AdmissionPolicy, cfg.AdmissionTimeout, cfg.HandshakePolicy = "deny", 10, "deny"
	cfg.AdmissionPending, cfg.AdmissionBytes, cfg.AdmissionHeaders = 21, 22, []string{"Authorization"}
	cfg.IdempotencyWindow, cfg.IdempotencyKeys = 23, 24
	cfg.NamespacePatterns, cfg.MaxDynamicNamespaces = []string{"/[a-z]"}, 11
	cfg.AllowEIO3, cfg.KeepAuth, cfg.RecoveryMaxAge = true, true, 12
	cfg.MaxNamespaces, cfg.MaxEventRate, cfg.MaxByteRate = 13, 14, 15
	cfg.ProxyProtocol, cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("::1/128")}
	cfg.AddTrailingSlash, cfg.CORSOrigins, cfg.CORSCredentials, cfg.CORSMaxAge = false, []string{"https://a"}, true, 16
	cfg.CORSMethods, cfg.CORSAllowedHeaders, cfg.CORSExposedHeaders = []string{"GET"}, []string{"b"}, []string{"c"}
	cfg.AllowedOrigins, cfg.Cookie, cfg.Compression, cfg.Deflate, cfg.DeflateMin = []string{"https://d"}, "io", 0, true, 17
	cfg.MaxSessionsPerAddress, cfg.MaxConnectionsPerAddress, cfg.HandshakesPerSecond = 18, 19, 20
	p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.edge.Shutdown(t.Context()) }()
	got := p.edgeConfig(nil)
	want := wsedge.Config{
		Path: "/x/", Transports: []string{"websocket"}, DisableUpgrades: true, DisableClient: true, KeepHeaders: []string{"cookie"},
		AdmissionHeaders: []string{"authorization"},
		PingInterval:     1, PingTimeout: 2, UpgradeTimeout: 3, ConnectTimeout: 4, HeadTimeout: 5,
		MaxPayload: 6, MaxOutbox: 7, MaxPendingAcks: 8, MaxPendingHeads: 9, Engine: "portable",
		AllowEIO3: true, KeepAuth: true, Recovery: p.recovery, MaxNamespaces: 13, EventsPerSecond: 14, BytesPerSecond: 15,
		ProxyProtocol: cfg.ProxyProtocol, TrustedProxies: cfg.TrustedProxies, Deflate: wsedge.DeflateConfig{Enabled: true, Threshold: 17},
		MaxSessionsPerAddress: 18, MaxConnectionsPerAddress: 19, HandshakesPerSecond: 20,
		HTTP: wsedge.HTTPConfig{
			DisableTrailingSlash: true, AllowedOrigins: []string{"https://d"}, CompressionThreshold: -1,
			CORS: &wsedge.CORS{
				Origin: "https://a", Credentials: true, MaxAge: 16,
				Methods: []string{"GET"}, AllowedHeaders: []string{"b"}, ExposedHeaders: []string{"c"},
			},
			Cookie: &http.Cookie{Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(wsedge.Config{}, "Hub", "Observer", "Admitter", "Handshakes", "Logger", "Recovery"), prefixes); diff != "" {
		t.Error(diff)
	}
	if got.Observer != wsedge.Observer(p.feed) || got.Admitter != wsedge.Admitter(p.service.Admissions()) ||
		got.Handshakes != wsedge.HandshakeAdmitter(p.service.Admissions()) {
		t.Error("the edge does not report to the services")
	}
	if p.recovery == nil || got.Recovery != p.recovery || p.hubConfig().Recorder == nil {
		t.Error("lost sockets are not kept")
	}
	hub := p.hubConfig()
	if diff := cmp.Diff(rooms.HubConfig{Namespaces: []string{"/"}, Patterns: []string{"/[a-z]"}, MaxDynamic: 11}, hub,
		cmpopts.IgnoreFields(rooms.HubConfig{}, "Recorder", "RoomEvents")); diff != "" {
		t.Error(diff)
	}
	admission := service.AdmissionConfig{
		Policy: service.PolicyDeny, HandshakePolicy: service.PolicyDeny, Timeout: 10, MaxPending: 21, MaxPendingBytes: 22,
	}
	if got := p.serviceConfig(nil).Admission; got != admission {
		t.Errorf("%+v", got)
	}
	if got, want := p.serviceConfig(nil).Idempotency, (service.IdempotencyConfig{Window: 23, Keys: 24}); got != want {
		t.Errorf("%+v", got)
	}
}

// A Config that was never checked is refused with the setting's name, not with a panic.
func TestNewProcessRefuses(t *testing.T) {
	for want, edit := range map[string]func(*Config){
		"--namespaces: ":              func(c *Config) { c.Namespaces = []string{"chat"} },
		"--namespace-patterns: ":      func(c *Config) { c.NamespacePatterns = []string{"["} },
		"--max-dynamic-namespaces: ":  func(c *Config) { c.MaxDynamicNamespaces = -1 },
		"--watch-buffer, --group-*: ": func(c *Config) { c.WatchBuffer = 1 },
		"Admission.Policy":            func(c *Config) { c.AdmissionPolicy = "perhaps" },
		"--engine=steam: ":            func(c *Config) { c.Engine = "steam" },
	} {
		cfg := defaultConfig()
		edit(&cfg)
		if _, err := NewProcess(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestGroupSettingsReachTheFeed(t *testing.T) {
	cfg := onPortsOfTheirOwn()
	cfg.WatchBuffer, cfg.MaxGroups, cfg.MaxGroupMembers, cfg.GroupRetention, cfg.GroupBuffer = 4<<20, 2, 3, time.Minute, 5<<20
	cfg.GroupSocketBuffer, cfg.GroupMaxAge, cfg.GroupOverflow, cfg.GroupMaxFailures, cfg.GroupDeadLetter = 6<<10, time.Hour, "refuse", 7, "disconnect"
	p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.edge.Shutdown(t.Context()) }()
	got := p.feedConfig(nil)
	if got.Groups.Resume == nil || got.Groups.Disconnect == nil || got.WantRoomEvents == nil || got.Groups.Logger == nil {
		t.Error("what the edge is to do is missing")
	}
	got.WantRoomEvents, got.Groups.Resume, got.Groups.Disconnect, got.Groups.Logger = nil, nil, nil, nil
	want := feed.Config{QueueBytes: 4 << 20, Groups: feed.GroupConfig{
		MaxGroups: 2, MaxMembers: 3, Retention: time.Minute, Bytes: 5 << 20, SocketBytes: 6 << 10, MaxAge: time.Hour,
		Overflow: feed.OverflowRefuse, MaxFailures: 7, DeadLetter: feed.DeadLetterDisconnect,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

package service

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

func validConfig(t *testing.T) Config {
	t.Helper()
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := feed.New(feed.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return Config{Hub: hub, Feed: f}
}

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"the smallest", func(*Config) {}, nil},
		{"a node id of 64 bytes", func(c *Config) { c.NodeID = strings.Repeat("n", 64) }, nil},
		{"policies", func(c *Config) { c.Admission.Policy = PolicyDeny }, nil},
		{"nothing", func(c *Config) { c.Hub, c.Feed = nil, nil }, []string{"Hub", "Feed"}},
		{"a long node id", func(c *Config) { c.NodeID = strings.Repeat("n", 65) }, []string{"NodeID"}},
		{"policy of handshakes", func(c *Config) { c.Admission.HandshakePolicy = PolicyDeny }, nil},
		{"another for handshakes", func(c *Config) { c.Admission.HandshakePolicy = "no" }, []string{"Admission.HandshakePolicy", `"no"`}},
		{"another policy", func(c *Config) { c.Admission.Policy = "maybe" }, []string{"Admission.Policy", `"maybe"`}},
		{
			"negative limits",
			func(c *Config) {
				c.Limits = Limits{ListEntries: -1, NameBytes: -1, MessageBytes: -1, Attachments: -1, DataBytes: -1, AckTimeout: -1}
				c.Admission = AdmissionConfig{Timeout: -1, MaxPending: -1, MaxPendingBytes: -1}
			},
			[]string{
				"Limits.ListEntries", "Limits.NameBytes", "Limits.MessageBytes", "Limits.Attachments", "Limits.DataBytes",
				"Limits.AckTimeout", "Admission.Timeout", "Admission.MaxPending ", "Admission.MaxPendingBytes",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig(t)
			tt.change(&cfg)
			err := cfg.Validate()
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %s", err, want)
				}
			}
			if _, newErr := New(cfg); (newErr == nil) != (err == nil) {
				t.Errorf("New: %v", newErr)
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	cfg := Config{}.withDefaults()
	if cfg.Logger == nil || len(cfg.NodeID) != 20 || cfg.NodeID == (Config{}).withDefaults().NodeID {
		t.Errorf("logger %v, node id %q", cfg.Logger, cfg.NodeID)
	}
	limits := Limits{
		ListEntries: 1000, NameBytes: 256, MessageBytes: 1 << 20, Attachments: 10, DataBytes: 64 << 10, AckTimeout: 5 * time.Minute,
	}
	if cfg.Limits != limits {
		t.Errorf("limits %+v", cfg.Limits)
	}
	admission := AdmissionConfig{Policy: PolicyAllow, HandshakePolicy: PolicyAllow, Timeout: 5 * time.Second, MaxPending: 10_000, MaxPendingBytes: 64 << 20}
	if cfg.Admission != admission {
		t.Errorf("admission %+v", cfg.Admission)
	}
	set := Config{NodeID: "n", Limits: Limits{ListEntries: 1}, Admission: AdmissionConfig{Timeout: time.Second}}.withDefaults()
	if set.NodeID != "n" || set.Limits.ListEntries != 1 || set.Admission.Timeout != time.Second {
		t.Errorf("what was set is gone: %+v", set)
	}
}

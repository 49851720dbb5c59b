package consumer

import (
	"strings"
	"testing"
	"time"
)

func TestConfigIsValidated(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   []string // in the error; none: there is none
	}{
		{"least", func(*Config) {}, nil},
		{"all that may be", func(c *Config) {
			c.Group = strings.Repeat("g", 256)
			c.MaxEvents, c.MaxBytes, c.AckTimeout, c.Concurrency = 100_000, 1<<30, time.Hour, 100_000
			c.RetryPause, c.ReconnectPause = Backoff{time.Hour, time.Hour}, Backoff{1, 1}
		}, nil},
		{"no group", func(c *Config) { c.Group = "" }, []string{"Group must have 1 to 256 bytes, not 0"}},
		{"a long group", func(c *Config) { c.Group = strings.Repeat("g", 257) }, []string{"Group must"}},
		{"everything", func(c *Config) {
			c.MaxEvents, c.MaxBytes, c.AckTimeout, c.Concurrency, c.DrainTimeout = -1, 1, 1, -1, -1
			c.RetryPause, c.ReconnectPause = Backoff{2, 1}, Backoff{-1, 1}
		}, []string{"MaxEvents", "MaxBytes", "AckTimeout", "Concurrency", "DrainTimeout", "RetryPause", "ReconnectPause"}},
		{"above", func(c *Config) {
			c.MaxEvents, c.MaxBytes, c.AckTimeout, c.Concurrency = 100_001, 1<<30+1, time.Hour+1, 100_001
			c.RetryPause = Backoff{time.Hour + 1, 2 * time.Hour}
		}, []string{"MaxEvents", "MaxBytes", "AckTimeout", "Concurrency", "RetryPause"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Group: "g"}
			tt.change(&cfg)
			c, err := New(newFakeConn(), cfg)
			if (err == nil) != (len(tt.want) == 0) || (c == nil) != (err != nil) {
				t.Fatalf("New: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), "consumer: "+want) {
					t.Errorf("nothing about %s in %v", want, err)
				}
			}
		})
	}
}

package wsedge

import (
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// One message of the largest size may come at once, however few bytes a second are allowed, also by default.
func TestRateTakesTheLargestMessage(t *testing.T) {
	for name, most := range map[string]int{"default": 0, "configured": 5000} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.BytesPerSecond, c.MaxPayload = 100, most })
			p, _ := h.join("/")
			p.send(`42["` + strings.Repeat("x", 4000) + `"]`)
			h.event(rooms.KindEvent)
		})
	}
}

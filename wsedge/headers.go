package wsedge

import (
	"slices"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// keptHeaders names what a session keeps: KeepHeaders, then those of
// CredentialHeaders that are not among them.
func (c *Config) keptHeaders() []string {
	return append(slices.Clip(c.KeepHeaders), c.hiddenHeaders()...)
}

// hiddenHeaders names what only the Admitter is shown.
func (c *Config) hiddenHeaders() []string {
	if slices.Contains(c.KeepHeaders, "*") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.CredentialHeaders), func(name string) bool {
		return slices.Contains(c.KeepHeaders, name)
	})
}

// shown is what others than the Admitter get to see of h, which is not changed.
func (s *Server) shown(h *rooms.Handshake) *rooms.Handshake {
	if len(s.hidden) == 0 {
		return h
	}
	return h.Without(s.hidden)
}

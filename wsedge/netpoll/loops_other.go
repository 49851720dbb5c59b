//go:build !linux

package netpoll

// NewLoops makes the descriptor engine. There is none on this system: the
// error is ErrUnsupported.
func NewLoops(Config) (Engine, error) { return nil, ErrUnsupported }

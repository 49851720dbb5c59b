package transport

import "github.com/gobwas/ws"

// DeflateConfig configures permessage-deflate.
type DeflateConfig struct {
	Enabled          bool
	Threshold, Level int
}

func appendDeflatedFrame(dst []byte, op ws.OpCode, p []byte) []byte { return appendFrame(dst, op, p) }

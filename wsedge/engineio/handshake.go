package engineio

import (
	"strconv"
	"time"
)

// Revision is the revision of Engine.IO that a session speaks, fixed at its handshake. Only these two values are served.
type Revision uint8

// The revisions. The query parameter EIO selects Revision4 when it is exactly "4", and otherwise Revision3 (PROTOCOL 1.1,
// 2): the language of Socket.IO 1.x and 2.x clients.
const (
	Revision3 Revision = 3
	Revision4 Revision = 4
)

// Millis is a time on, or a distance along, the caller's monotonic clock in milliseconds. Times are above zero.
type Millis int64

// Duration is a distance on that clock.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Settings is what sessions of one server have in common. It is read-only once a session uses it.
type Settings struct {
	PingInterval   Millis // from the handshake or a pong to the next ping; revision 3 tells the client so, who pings
	PingTimeout    Millis // from a ping to the pong that must have come; revision 3: how late a client's ping may be
	UpgradeTimeout Millis // from a candidate's arrival to its upgrade packet
	CloseTimeout   Millis // how long a session that the server closed is kept for the poll that fetches the close packet
	MaxPayload     int    // bytes: the longest polling body or WebSocket message taken from a client
	AllowUpgrades  bool   // candidates are welcome
}

// DefaultSettings returns the reference server's values (PROTOCOL 1.3, 1.4).
func DefaultSettings() Settings {
	return Settings{
		PingInterval:   25_000,
		PingTimeout:    20_000,
		UpgradeTimeout: 10_000,
		CloseTimeout:   30_000,
		MaxPayload:     1_000_000,
		AllowUpgrades:  true,
	}
}

// AppendOpen appends the open packet, type included: the first packet of every session (PROTOCOL 1.3). Upgrades names
// the transports that the client may upgrade to; the names are written as they are.
func AppendOpen(dst []byte, id ID, upgrades []string, s *Settings) []byte {
	dst = append(dst, byte(PacketOpen))
	dst = append(dst, `{"sid":"`...)
	dst = append(dst, id[:]...)
	dst = append(dst, `","upgrades":[`...)
	for i, name := range upgrades {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, int64(s.PingInterval), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, int64(s.PingTimeout), 10)
	dst = append(dst, `,"maxPayload":`...)
	dst = strconv.AppendInt(dst, int64(s.MaxPayload), 10)
	return append(dst, '}')
}

package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// target selects sockets.
type target struct {
	Namespace     string   `name:"namespace" short:"n" default:"/" placeholder:"NAME" help:"Namespace." group:"Target:"`
	Rooms         []string `name:"room" short:"r" sep:"none" placeholder:"NAME" help:"Sockets in this room; may be given several times." group:"Target:"`
	Sockets       []string `name:"socket" short:"s" placeholder:"ID" help:"This socket." group:"Target:"`
	Users         []string `name:"user" short:"u" sep:"none" placeholder:"NAME" help:"All sockets of this user." group:"Target:"`
	ExceptRooms   []string `name:"except-room" sep:"none" placeholder:"NAME" help:"But for those in this room." group:"Target:"`
	ExceptSockets []string `name:"except-socket" placeholder:"ID" help:"But for this socket." group:"Target:"`
}

func (t *target) proto() *realtimev1.Target {
	return &realtimev1.Target{
		Namespace: t.Namespace, Rooms: t.Rooms, Sockets: t.Sockets, Users: t.Users, ExceptRooms: t.ExceptRooms, ExceptSockets: t.ExceptSockets,
	}
}

// narrow reports whether anything but the namespace was said: what ends connections asks for it, or for --all.
func (t *target) narrow() bool {
	return len(t.Rooms)+len(t.Sockets)+len(t.Users)+len(t.ExceptRooms)+len(t.ExceptSockets) > 0
}

// arguments makes a JSON array of arguments, each of which is JSON.
func arguments(texts []string) (string, error) {
	for i, text := range texts {
		if !json.Valid([]byte(text)) {
			return "", &usageError{fmt.Errorf(`argument %d, %s, is not JSON: a text needs its quotes, '"%s"'`, i+1, text, strings.Trim(text, `"`))}
		}
	}
	return "[" + strings.Join(texts, ",") + "]", nil
}

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// What clients are told is documented: the refusals of requests, of namespaces and of events.
func TestRefusalsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range []*engineio.Refusal{
		engineio.ErrTransportUnknown, engineio.ErrSessionUnknown, engineio.ErrBadHandshakeMethod,
		engineio.ErrBadRequest, engineio.ErrForbidden, engineio.ErrUnsupportedProtocol,
	} {
		want = append(want, fmt.Sprintf("| %d | %s | %d |", r.Code, r.Message, r.Status(true)))
	}
	for _, r := range []rooms.Refusal{rooms.RefusedOverloaded, rooms.RefusedNotAllowed} {
		reason := strings.ToUpper(strings.ReplaceAll(string(r), " ", "_"))
		want = append(want, `| `+"`"+`{"error":{"reason":"`+reason+`","message":…}}`+"` |")
	}
	want = append(want, "| `Invalid namespace` |", "| `Too many namespaces` |")
	for _, row := range want {
		if !strings.Contains(string(text), "\n"+row) {
			t.Errorf("docs/errors.md has no row %s", row)
		}
	}
}

package service

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// reservedEvents are the names that Socket.IO keeps for itself.
var reservedEvents = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// checker checks the fields of one request and keeps what is wrong with them. Its methods return what the field means,
// and something harmless if the field is wrong. Only a violation allocates.
type checker struct {
	limits     *Limits
	violations []*errdetails.BadRequest_FieldViolation
}

// err returns a *requestError if there was a violation.
func (c *checker) err() error {
	if len(c.violations) == 0 {
		return nil
	}
	return &requestError{violations: c.violations}
}

func (c *checker) violate(field, format string, args ...any) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations,
			&errdetails.BadRequest_FieldViolation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
}

// name checks a name of a room, a user or an event. index is its place in a list, or negative.
func (c *checker) name(field string, index int, name string) {
	if name != "" && len(name) <= c.limits.NameBytes {
		return
	}
	if index >= 0 {
		field = fmt.Sprintf("%s[%d]", field, index)
	}
	c.violate(field, "must have 1 to %d bytes, not %d", c.limits.NameBytes, len(name))
}

// entries checks the length of a list. A list that is too long is not looked into.
func (c *checker) entries(field string, n int) bool {
	if n > c.limits.ListEntries {
		c.violate(field, "must have at most %d entries, not %d", c.limits.ListEntries, n)
	}
	return n <= c.limits.ListEntries
}

func (c *checker) names(field string, names []string) []string {
	if !c.entries(field, len(names)) {
		return nil
	}
	for i, name := range names {
		c.name(field, i, name)
	}
	return names
}

// someNames is names for a list that must not be empty.
func (c *checker) someNames(field string, names []string) []string {
	if len(names) == 0 {
		c.violate(field, "must have at least one entry")
	}
	return c.names(field, names)
}

func (c *checker) socketID(field, namespace, id string) rooms.SocketID {
	parsed, err := rooms.ParseSocketIDIn(namespace, id)
	if err != nil {
		c.violate(field, "must be 20 characters of A-Z, a-z, 0-9, - and _")
	}
	return parsed
}

func (c *checker) socketIDs(field, namespace string, ids []string) []rooms.SocketID {
	if len(ids) == 0 || !c.entries(field, len(ids)) {
		return nil
	}
	parsed := make([]rooms.SocketID, len(ids))
	for i, id := range ids {
		var err error
		if parsed[i], err = rooms.ParseSocketIDIn(namespace, id); err != nil {
			c.socketID(fmt.Sprintf("%s[%d]", field, i), namespace, id)
		}
	}
	return parsed
}

// event checks the field `event`.
func (c *checker) event(name string) {
	c.name("event", -1, name)
	if slices.Contains(reservedEvents, name) {
		c.violate("event", "%q is reserved by Socket.IO", name)
	}
}

// arguments checks the fields `arguments` and `attachments` and returns the former as rooms.Message.Args wants it.
func (c *checker) arguments(text string, attachments [][]byte) []byte {
	bytes := len(text)
	for _, a := range attachments {
		bytes += len(a)
	}
	if len(attachments) > c.limits.Attachments {
		c.violate("attachments", "must have at most %d entries, not %d", c.limits.Attachments, len(attachments))
	}
	if bytes > c.limits.MessageBytes {
		c.violate("arguments", "must have at most %d bytes together with attachments, not %d", c.limits.MessageBytes, bytes)
		return nil
	}
	if text == "" {
		return nil
	}
	array := []byte(text)
	args, err := stripArray(array)
	if err == nil {
		err = checkPlaceholders(array, len(attachments))
	}
	if err != nil {
		c.violate("arguments", "%s", err)
		return nil
	}
	return args
}

// data checks a field that holds any JSON value. Empty is nil.
func (c *checker) data(field, text string) []byte {
	if text == "" {
		return nil
	}
	if len(text) > c.limits.DataBytes {
		c.violate(field, "must have at most %d bytes, not %d", c.limits.DataBytes, len(text))
		return nil
	}
	data := []byte(text)
	if err := checkJSON(data); err != nil {
		c.violate(field, "%s", err)
		return nil
	}
	return data
}

// ackTimeout checks the field `timeout`.
func (c *checker) ackTimeout(d *durationpb.Duration) time.Duration {
	if d == nil {
		return min(defaultAckTimeout, c.limits.AckTimeout)
	}
	timeout := d.AsDuration()
	if d.CheckValid() != nil || timeout <= 0 || timeout > c.limits.AckTimeout {
		c.violate("timeout", "must be more than zero and at most %s", c.limits.AckTimeout)
	}
	return timeout
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The events, in either direction; doc.go says which way each goes.
const (
	eventHistory  = "history"
	eventJoin     = "join"
	eventLeave    = "leave"
	eventMessage  = "message"
	eventPicture  = "picture"
	eventPresence = "presence"
	eventReplaced = "replaced"
	eventSeen     = "seen"
	eventTyping   = "typing"
)

// refusal is an error whose text the client is shown, as {error: text}.
type refusal string

func (r refusal) Error() string { return string(r) }

// errMalformed is for what no page of ours sends.
const errMalformed = refusal("The chat does not understand this.")

// auth is what a page sends with its handshake.
type auth struct {
	Nickname string   `json:"nickname"`
	Key      string   `json:"key"` // a secret of the tab: who has it may take over the nickname that it holds
	Rooms    []string `json:"rooms"`
}

// socketData is what admission attaches to a socket, for whoever lists sockets later. No client sees it.
type socketData struct {
	Key string `json:"key"`
}

// refused is the data of a connect_error.
type refused struct {
	Refused string `json:"refused"` // what was: "nickname"
	Reason  string `json:"reason"`
}

// address is a room, or a person by socket id.
type address struct {
	Room string `json:"room"`
	To   string `json:"to"`
}

// posting is a message as a page sends it.
type posting struct {
	address
	ID      string         `json:"id"`
	Text    string         `json:"text"`
	Picture *postedPicture `json:"picture"`
}

type postedPicture struct {
	Name string      `json:"name"`
	Data placeholder `json:"data"`
}

// message is a message as pages receive it.
type message struct {
	ID      string        `json:"id"` // chosen by the sender, unique among that sender's messages
	At      int64         `json:"at"` // milliseconds since 1970
	Room    string        `json:"room,omitempty"`
	From    sender        `json:"from"`
	Text    string        `json:"text,omitempty"`
	Picture *shownPicture `json:"picture,omitempty"`
	Of      int           `json:"of,omitempty"`     // how many were asked to see it
	SeenBy  []string      `json:"seenBy,omitempty"` // nicknames; only in the history
}

type sender struct {
	ID       string `json:"id"`
	Nickname string `json:"nickname"`
}

type shownPicture struct {
	ID   string       `json:"id,omitempty"` // asks for it later; empty if it is not kept
	Name string       `json:"name"`
	Type string       `json:"type"`
	Data *placeholder `json:"data,omitempty"` // nil in the history
}

// placeholder stands in JSON for one of the binary values beside it.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// of returns the binary value that p stands for.
func (p placeholder) of(attachments [][]byte) ([]byte, bool) {
	if !p.Placeholder || p.Num < 0 || p.Num >= len(attachments) {
		return nil, false
	}
	return attachments[p.Num], true
}

// firstAttachment stands for the first of the binary values.
var firstAttachment = &placeholder{Placeholder: true}

// arguments writes the arguments of an event or an answer.
func arguments(args ...any) string {
	if len(args) == 0 {
		return "[]" // a nil slice would be null
	}
	text, err := json.Marshal(args)
	if err != nil {
		panic(fmt.Sprintf("chat: %T is not made for JSON: %v", args, err))
	}
	return string(text)
}

// firstArgument reads the first argument of an event into v; more than one are ignored. Errors: errMalformed.
func firstArgument(args string, v any) error {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(args), &list); err != nil || len(list) == 0 {
		return errMalformed
	}
	if err := json.Unmarshal(list[0], v); err != nil {
		return errMalformed
	}
	return nil
}

// answerTo is what a client is told about an error; nothing, if it is none of its business.
func answerTo(err error) (answer any, ok bool) {
	var text refusal
	if !errors.As(err, &text) {
		return nil, false
	}
	return map[string]string{"error": string(text)}, true
}

// jsonText writes one value.
func jsonText(v any) string {
	text := arguments(v)
	return text[1 : len(text)-1]
}

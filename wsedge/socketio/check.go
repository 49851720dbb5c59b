package socketio

import "unicode/utf8"

// ReservedEvent reports whether name has a meaning of its own to Socket.IO, so that no event may have it (PROTOCOL 3).
// "error" is not reserved.
func ReservedEvent(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func reserved(name []byte) bool {
	// The bound lets the compiler convert on the stack.
	return len(name) <= len("removeListener") && ReservedEvent(string(name))
}

// CheckArguments checks the JSON array in which a service gives the arguments of an event or an ack, and returns what
// stands inside its brackets, as the Append functions take it: a part of array, empty for []. Attachments is how many
// come with it: when there are any, every placeholder must stand for one of them (see CheckPlaceholders); when there are
// none, placeholders are plain data. Depth counts the array itself and is as in Limits. Errors are *ParseError: ErrPayload if
// it is not an array, ErrJSON (also for what is not UTF-8), ErrDepth, ErrPlaceholder.
func CheckArguments(array []byte, attachments, depth int) (args []byte, err error) {
	s := scanner{text: array, depth: (&Limits{Depth: depth}).depth(), attachments: noPlaceholders}
	if attachments > 0 {
		s.attachments = attachments
	}
	if !utf8.Valid(array) {
		err = ErrJSON
	} else {
		s.next()
		args, err = s.arguments()
	}
	if err != nil {
		return nil, &ParseError{Offset: s.pos, Err: err}
	}
	return args, nil
}

// CheckPlaceholders checks that every placeholder in data, one JSON text, stands for one of n attachments. A placeholder
// is an object whose member _placeholder is true, anywhere in the text; its member num must be a whole number from
// 0 to n-1, in any notation. Errors are *ParseError: ErrPlaceholder, ErrJSON. Decode and CheckArguments have done this
// already, and have bounded the depth.
func CheckPlaceholders(data []byte, n int) error {
	s := scanner{text: data, depth: deepest, attachments: n}
	if err := s.only(true); err != nil {
		return &ParseError{Offset: s.pos, Err: err}
	}
	return nil
}

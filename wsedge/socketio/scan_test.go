package socketio

import "unicode/utf8"

// acceptsJSON reports whether b is one JSON text in UTF-8 with at most depth arrays and objects around a value; depth is
// as in Limits.
func acceptsJSON(b []byte, depth int) bool {
	s := scanner{text: b, depth: (&Limits{Depth: depth}).depth(), attachments: noPlaceholders}
	return utf8.Valid(b) && s.only(true) == nil
}

// checkPlaceholders checks that every placeholder in data, one JSON text, stands for one of n attachments, as Decode does
// in passing.
func checkPlaceholders(data []byte, n int) error {
	s := scanner{text: data, depth: deepest, attachments: n}
	if err := s.only(true); err != nil {
		return &ParseError{Offset: s.pos, Err: err}
	}
	return nil
}

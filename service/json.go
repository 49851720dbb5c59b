package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

var (
	errJSON  = errors.New("is not valid JSON")
	errArray = errors.New("is not a JSON array")
	errDepth = fmt.Errorf("is nested more than %d deep", maxDepth)
)

// jsonSpace is what JSON calls whitespace.
const jsonSpace = " \t\r\n"

// checkJSON reports whether b is the text of one JSON value, nested at most maxDepth deep. The error is errJSON,
// errDepth or nil.
func checkJSON(b []byte) error {
	if !json.Valid(b) {
		return errJSON
	}
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return errDepth
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// stripArray checks the text of a JSON array and returns its elements' text, a part of b, as rooms.Message.Args wants
// it.
func stripArray(b []byte) ([]byte, error) {
	if err := checkJSON(b); err != nil {
		return nil, err
	}
	b = bytes.Trim(b, jsonSpace)
	if b[0] != '[' {
		return nil, errArray
	}
	return bytes.Trim(b[1:len(b)-1], jsonSpace), nil
}

// checkPlaceholders reports the first {"_placeholder":true,"num":i} in the array, valid JSON, for which there is no
// attachment i. Clients close the connection over such a message, or hand the application something else than was
// meant.
func checkPlaceholders(array []byte, attachments int) error {
	// Few arguments come this far; a key that is written with escapes is a placeholder too.
	if !bytes.Contains(array, []byte(`_placeholder`)) && !bytes.Contains(array, []byte(`\u`)) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(array))
	d.UseNumber() // or 1e999 somewhere else would be an error
	var v any
	if err := d.Decode(&v); err != nil {
		return errJSON
	}
	return walkPlaceholders(v, attachments)
}

func walkPlaceholders(v any, attachments int) error {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if err := walkPlaceholders(element, attachments); err != nil {
				return err
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			return checkPlaceholder(v["num"], attachments)
		}
		for _, member := range v {
			if err := walkPlaceholders(member, attachments); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPlaceholder accepts what JavaScript would use as an index: 1, 1.0 and 1e0 are one number.
func checkPlaceholder(num any, attachments int) error {
	n, ok := num.(json.Number)
	if !ok {
		return errors.New(`has a placeholder without a number in "num"`)
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || f < 0 || f >= float64(attachments) {
		return fmt.Errorf("has a placeholder for attachment %.32s of %d", n, attachments)
	}
	return nil
}

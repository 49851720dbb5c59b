package engineio

import (
	"bytes"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendJSONP appends the answer to a JSONP poll (PROTOCOL 2.4): the call of the client's function with payload, which is
// UTF-8, as a JSON string that is also a string of JavaScript. Index is the query parameter j; all but its ASCII digits is
// dropped, so that no client chooses what the answer's script does. An index without digits gives "___eio[](", as with
// the reference server.
func AppendJSONP(dst []byte, index string, payload []byte) []byte {
	dst = append(dst, "___eio["...)
	for i := range len(index) {
		if c := index[i]; '0' <= c && c <= '9' {
			dst = append(dst, c)
		}
	}
	dst = append(dst, "](\""...)
	dst = appendJavaScript(dst, payload)
	return append(dst, "\");"...)
}

// appendJavaScript appends the inside of a JSON string as JSON.stringify writes it, with U+2028 and U+2029 escaped:
// JavaScript had them end a line, strings included, until 2019.
func appendJavaScript(dst, text []byte) []byte {
	done := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' && c != 0xe2 {
			continue
		}
		if c == 0xe2 && !lineSeparator(text[i:]) {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		case 0xe2:
			dst = append(dst, `\u202`...)
			dst = append(dst, '8'+text[i+2]-0xa8)
			done = i + 3
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, text[done:]...)
}

// lineSeparator reports whether text begins with U+2028 or U+2029.
func lineSeparator(text []byte) bool {
	return len(text) >= 3 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9)
}

// ParseJSONP returns the payload in the urlencoded form that a JSONP client posts (PROTOCOL 2.4): the field d, in which a
// backslash before an n stands for a newline and more backslashes stand for one fewer. The payload is a new slice. It is nil
// without an error if the form has no field d, or more than one: the reference server answers "ok" and does nothing. Percent
// signs that escape nothing stand for themselves. What is not UTF-8 is ErrParse.
func ParseJSONP(form []byte) (payload []byte, err error) {
	var value []byte
	found := false
	for more := true; more; {
		var pair []byte
		pair, form, more = bytes.Cut(form, []byte{'&'})
		if key, v, _ := bytes.Cut(pair, []byte{'='}); string(key) == "d" || string(key) == "%64" {
			if found {
				return nil, nil
			}
			value, found = v, true
		}
	}
	if !found {
		return nil, nil
	}
	payload = unescapeNewlines(unescapeForm(value))
	if !utf8.Valid(payload) {
		return nil, ErrParse
	}
	return payload, nil
}

// unescapeForm returns a copy of a form's value without its escapes.
func unescapeForm(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(value) && hexValue(value[i+1]) < 16 && hexValue(value[i+2]) < 16:
			c = hexValue(value[i+1])<<4 | hexValue(value[i+2])
			i += 2
		}
		out = append(out, c)
	}
	return out
}

// hexValue returns the value of a hexadecimal digit, or 16.
func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// unescapeNewlines replaces, in place, a backslash and an n by a newline and takes one backslash from more of them.
func unescapeNewlines(text []byte) []byte {
	out := text[:0]
	slashes := 0
	for _, c := range text {
		switch {
		case c == '\\':
			slashes++
		case c == 'n' && slashes == 1:
			out[len(out)-1] = '\n'
			slashes = 0
			continue
		case c == 'n' && slashes > 1:
			out = out[:len(out)-1]
			slashes = 0
		default:
			slashes = 0
		}
		out = append(out, c)
	}
	return out
}

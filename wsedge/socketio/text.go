package socketio

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLen is the length of the escape sequence that text, after the backslash at its beginning, makes; 0 if none.
func escapeLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text[2:]); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the four hexadecimal digits of a \u escape.
func hex4(text []byte) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, c := range text[:4] {
		switch {
		case digit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape returns the contents of a JSON string that the scanner has accepted. A lone surrogate, which UTF-8 cannot
// say, becomes U+FFFD.
func unescape(text []byte) []byte { return appendUnescaped(make([]byte, 0, len(text)), text) }

// appendUnescaped appends what unescape returns: at most as many bytes as text has.
func appendUnescaped(out, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := escapedRune(text[i+1:])
			out = utf8.AppendRune(out, r)
			i += n
		default: // the quote, the backslash, the slash
			out = append(out, c)
		}
	}
	return out
}

// escapedRune reads the digits of a \u escape, and of the next one if both are a surrogate pair. It returns how many
// bytes it has read.
func escapedRune(text []byte) (rune, int) {
	r, _ := hex4(text)
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if len(text) >= 10 && text[4] == '\\' && text[5] == 'u' {
		if low, _ := hex4(text[6:]); utf16.DecodeRune(r, low) != utf8.RuneError {
			return utf16.DecodeRune(r, low), 10
		}
	}
	return utf8.RuneError, 4
}

// appendQuoted appends s as a JSON string with the escapes that JSON.stringify makes: quote, backslash and control
// characters. What is not UTF-8 becomes U+FFFD.
func appendQuoted[S string | []byte](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			var bytes [utf8.UTFMax]byte
			r, n := utf8.DecodeRune(bytes[:copy(bytes[:], s[i:])])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[done:i]...), "\uFFFD"...)
				done = i + 1
			}
			i += n
			continue
		}
		i++
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[done:i-1]...)
		done = i
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[done:]...), '"')
}

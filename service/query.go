package service

import "strings"

// parseQuery decodes a URL's raw query as browsers' URLSearchParams does, so that a service sees the parameters that the
// JavaScript server would show it: "+" is a blank, what is no percent escape stands for itself, bytes that are not UTF-8
// become U+FFFD, a parameter without "=" is empty, and of several with one name the last counts (PROTOCOL 1.1).
// Source: application/x-www-form-urlencoded parsing, URL Standard section 5.1.
func parseQuery(raw string) map[string]string {
	params := make(map[string]string, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			params[unescape(name)] = unescape(value)
		}
	}
	return params
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return text(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			b = append(b, byte(hex(s[i+1])<<4|hex(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return text(b)
}

// hex returns the value of a hexadecimal digit, or -1.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

package transport

import (
	"strings"
	"testing"
)

// negotiations are the offers of RFC 7692, sections 5 and 7.1, and what they are answered with. An empty answer means
// that the handshake goes on without compression.
var negotiations = []struct {
	name, offers, answer string
}{
	{"5.1 no offer", "", ""},
	{"5.1 white space", " \t ", ""},
	{"5.1 the plain offer", "permessage-deflate", deflateAnswer},
	{"5.1 what browsers offer", "permessage-deflate; client_max_window_bits", deflateAnswer},
	{"5.1 white space everywhere", "\t permessage-deflate\t;  client_max_window_bits = 10 ; server_no_context_takeover ", deflateAnswer},
	{"5.1 no white space", "permessage-deflate;client_max_window_bits=10;server_no_context_takeover", deflateAnswer},
	{"5.1 a fallback is taken", "permessage-deflate; server_max_window_bits=10, permessage-deflate", deflateAnswer},
	{"5.1 the first that can be met wins", "permessage-deflate; server_max_window_bits=15, permessage-deflate", deflateAnswerWindow},
	{"5.1 all declined", "permessage-deflate; server_max_window_bits=8, permessage-deflate; bogus", ""},
	{"5.1 several headers, joined", "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", deflateAnswer},
	{"5.1 empty elements", ", ,permessage-deflate,,", deflateAnswer},
	{"5.1 another extension", "permessage-bzip2", ""},
	{"5.1 another extension with a quoted value", `foo; bar="15", permessage-deflate`, deflateAnswer},
	{"5.1 a name that begins the same", "permessage-deflate2", ""},
	{"5.1 a name in capitals", "Permessage-Deflate", ""},
	{"5.1 unknown parameter", "permessage-deflate; bogus=1", ""},
	{"5.1 unknown parameter without value", "permessage-deflate; bogus", ""},
	{"5.1 unknown parameter, then a fallback", "permessage-deflate; bogus=1, permessage-deflate", deflateAnswer},
	{"5.1 unknown parameter after a known one", "permessage-deflate; client_max_window_bits; bogus", ""},
	{"7.1.1.1 server_no_context_takeover", "permessage-deflate; server_no_context_takeover", deflateAnswer},
	{"7.1.1.1 with a value", "permessage-deflate; server_no_context_takeover=true", ""},
	{"7.1.1.1 twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
	{"7.1.1.2 client_no_context_takeover", "permessage-deflate; client_no_context_takeover", deflateAnswer},
	{"7.1.1.2 with a value", "permessage-deflate; client_no_context_takeover=1", ""},
	{"7.1.1.2 twice", "permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
	{"7.1.2.1 the greatest window", "permessage-deflate; server_max_window_bits=15", deflateAnswerWindow},
	{"7.1.2.1 the greatest window in quotes", `permessage-deflate; server_max_window_bits="15"`, deflateAnswerWindow},
	{"7.1.2.1 a window of 14 bits", "permessage-deflate; server_max_window_bits=14", ""},
	{"7.1.2.1 a window of 8 bits", "permessage-deflate; server_max_window_bits=8", ""},
	{"7.1.2.1 a window of 16 bits", "permessage-deflate; server_max_window_bits=16", ""},
	{"7.1.2.1 without value", "permessage-deflate; server_max_window_bits", ""},
	{"7.1.2.1 leading zero", "permessage-deflate; server_max_window_bits=015", ""},
	{"7.1.2.1 twice", "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15", ""},
	{"7.1.2.2 without value", "permessage-deflate; client_max_window_bits", deflateAnswer},
	{"7.1.2.2 the smallest", "permessage-deflate; client_max_window_bits=8", deflateAnswer},
	{"7.1.2.2 nine", "permessage-deflate; client_max_window_bits=9", deflateAnswer},
	{"7.1.2.2 the greatest", "permessage-deflate; client_max_window_bits=15", deflateAnswer},
	{"7.1.2.2 too small", "permessage-deflate; client_max_window_bits=7", ""},
	{"7.1.2.2 too great", "permessage-deflate; client_max_window_bits=16", ""},
	{"7.1.2.2 far too great", "permessage-deflate; client_max_window_bits=99999999999999999999", ""},
	{"7.1.2.2 zero", "permessage-deflate; client_max_window_bits=0", ""},
	{"7.1.2.2 leading zero", "permessage-deflate; client_max_window_bits=08", ""},
	{"7.1.2.2 no number", "permessage-deflate; client_max_window_bits=ten", ""},
	{"7.1.2.2 twice, with and without value", "permessage-deflate; client_max_window_bits; client_max_window_bits=10", ""},
	{"7.1 everything", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=12",
		deflateAnswerWindow},
	{"GHSA-5v72-xg48-5rpm constructor", "constructor", ""},
	{"GHSA-5v72-xg48-5rpm __proto__", "__proto__; x=1, permessage-deflate", deflateAnswer},
	{"GHSA-5v72-xg48-5rpm toString and hasOwnProperty", "toString, hasOwnProperty; valueOf", ""},
	{"GHSA-5v72-xg48-5rpm as a parameter", "permessage-deflate; constructor", ""},
	{"GHSA-5v72-xg48-5rpm as a parameter with a value", "permessage-deflate; __proto__=1, permessage-deflate", deflateAnswer},
	{"RFC6455 9.1 no name", "; permessage-deflate", ""},
	{"RFC6455 9.1 no parameter", "permessage-deflate;", ""},
	{"RFC6455 9.1 two semicolons", "permessage-deflate;; client_max_window_bits", ""},
	{"RFC6455 9.1 no value", "permessage-deflate; client_max_window_bits=", ""},
	{"RFC6455 9.1 quotes that do not end", `permessage-deflate; client_max_window_bits="15`, ""},
	{"RFC6455 9.1 empty quotes", `permessage-deflate; client_max_window_bits=""`, ""},
	{"RFC6455 9.1 quotes around what is no token", `permessage-deflate; client_max_window_bits="1 5"`, ""},
	{"RFC6455 9.1 two names", "permessage-deflate permessage-deflate", ""},
	{"RFC6455 9.1 a control character", "permessage-deflate\x00", ""},
	{"RFC6455 9.1 not ASCII", "permessage-deflate; \xff", ""},
	{"RFC6455 9.1 nothing follows a broken element", "foo/bar, permessage-deflate", ""},
	{"RFC6455 9.1 what went before a broken element", "permessage-deflate, foo/bar", deflateAnswer},
}

func TestRFC7692Negotiation(t *testing.T) {
	for _, c := range negotiations {
		answer, ok := negotiateDeflate(c.offers)
		if answer != c.answer || ok != (c.answer != "") {
			t.Errorf("%s: %q is answered with %q, %v, want %q", c.name, c.offers, answer, ok, c.answer)
		}
	}
}

// The whole head may be one long offer: it is read once.
func TestNegotiationOfAFullHead(t *testing.T) {
	for _, offers := range []string{
		strings.Repeat("permessage-deflate; bogus, ", maxHTTPHead/27), strings.Repeat(",", maxHTTPHead), strings.Repeat(" ", maxHTTPHead),
		"x" + strings.Repeat("; a=b", maxHTTPHead/5), strings.Repeat("x", maxHTTPHead),
	} {
		if answer, ok := negotiateDeflate(offers); ok {
			t.Errorf("%.40q: %q", offers, answer)
		}
		if answer, ok := negotiateDeflate(offers + ", permessage-deflate"); !ok || answer != deflateAnswer {
			t.Errorf("%.40q, then a good one: %q, %v", offers, answer, ok)
		}
	}
}

func FuzzNegotiateDeflate(f *testing.F) {
	for _, c := range negotiations {
		f.Add(c.offers)
	}
	f.Fuzz(func(t *testing.T, offers string) {
		answer, ok := negotiateDeflate(offers)
		if ok != (answer != "") || ok && answer != deflateAnswer && answer != deflateAnswerWindow {
			t.Fatalf("%q: %q, %v", offers, answer, ok)
		}
		if ok && !strings.Contains(offers, "permessage-deflate") {
			t.Fatalf("%q was no offer", offers)
		}
		if strings.Contains(answer, "bits") && !strings.Contains(offers, "server_max_window_bits") {
			t.Fatalf("%q: the window was not asked for", offers)
		}
		if again, _ := negotiateDeflate(offers + ",permessage-deflate"); ok && again != answer {
			t.Fatalf("%q: the first offer that can be met does not win", offers)
		}
	})
}

func BenchmarkNegotiateDeflate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		negotiateDeflate("permessage-deflate; client_max_window_bits")
	}
}

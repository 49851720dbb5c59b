package engineio

import "testing"

// PROTOCOL 1.4: one GET and one POST at a time.
func TestPolls(t *testing.T) {
	runScripts(t, map[string]script{
		"poll after poll": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "answered", None, "polling @701"},
			{4, "get", None, "polling poll @701"},
			{5, "get-aborted", End, "polling closed (transport error)"},
		},
		"the second GET at a time": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "get", End, "polling poll closed (transport error)"},
			{3, "answered", None, "polling closed (transport error)"},
			{4, "get", RefuseBadRequest, "polling closed (transport error)"},
		},
		"an answered GET that is lost": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "answered", None, "polling @701"},
			{4, "get-aborted", None, "polling @701"},
		},
		"GET on a websocket": {
			{1, "open websocket", None, "websocket @701"},
			{2, "get", RefuseBadRequest, "websocket @701"},
			{3, "post", RefuseBadRequest, "websocket @701"},
			{4, "get-aborted", None, "websocket @701"},
			{5, "post-aborted", None, "websocket @701"},
		},
		"POST beside a GET": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "post", None, "polling poll post @701"},
			{3, "<- 4hi", Deliver, "polling poll post @701"},
			{3, "done", None, "polling poll @701"},
			{4, "post", None, "polling poll post @701"},
		},
		"the second POST at a time": {
			{1, "open polling", None, "polling @701"},
			{2, "post", None, "polling post @701"},
			{3, "post", End, "polling post closed (transport error)"},
			{4, "<- 4hi", None, "polling post closed (transport error)"},
		},
		"a POST that is broken off": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "post", None, "polling poll post @701"},
			{4, "post-aborted", End, "polling poll closed (transport error)"},
			{5, "post-aborted", None, "polling poll closed (transport error)"},
		},
		"a POST that was refused for its size": {
			{1, "open polling", None, "polling @701"},
			{2, "post", None, "polling post @701"},
			{3, "done", None, "polling @701"},
			{4, "post-aborted", None, "polling @701"},
			{5, "post", None, "polling post @701"},
		},
		"the second POST while closing": {
			{1, "open polling", None, "polling @701"},
			{2, "close", End, "polling closing (forced close) @3002"},
			{3, "post", None, "polling post closing (forced close) @3002"},
			{4, "post", End, "polling post closed (forced close)"},
		},
	})
}

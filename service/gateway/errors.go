package gateway

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// problem is why HTTP refuses a request before it is a call.
type problem struct {
	http int
	code codes.Code
	text string
}

func (p *problem) write(w http.ResponseWriter) {
	writeStatus(w, p.http, withField(status.New(p.code, p.text)))
}

// writeError is the runtime.ErrorHandlerFunc: the status of a call as it is, with the HTTP status that grpc-gateway has for its code.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	st := status.Convert(err)
	writeStatus(w, runtime.HTTPStatusFromCode(st.Code()), withField(st))
}

// withField gives a status of this package the details that one of the service has: codec and queryParser say the field before ": ".
func withField(st *status.Status) *status.Status {
	field, what, found := strings.Cut(st.Message(), ": ")
	if st.Code() != codes.InvalidArgument || len(st.Details()) > 0 || !found {
		return st
	}
	detailed, err := st.WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: what}},
	})
	if err != nil {
		return st
	}
	return detailed
}

// writeRoutingError is the runtime.RoutingErrorHandlerFunc.
func writeRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusNotFound:
		(&problem{code, codes.NotFound, "there is no such route"}).write(w)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", allowed(r.Method))
		(&problem{code, codes.Unimplemented, "this route has another method"}).write(w)
	default:
		(&problem{code, codes.InvalidArgument, "this is no route"}).write(w)
	}
}

// allowed names the methods of a route that lacks one: routes have GET, or POST, or both.
func allowed(lacks string) string {
	switch lacks {
	case http.MethodGet:
		return http.MethodPost
	case http.MethodPost:
		return http.MethodGet
	}
	return "GET, POST"
}

// writeStatus writes a google.rpc.Status with what HTTP says besides.
func writeStatus(w http.ResponseWriter, code int, st *status.Status) {
	header := w.Header()
	header.Del("Transfer-Encoding")
	header.Set("Content-Type", codec{}.ContentType(nil))
	if code == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if wait, ok := retryAfter(st); ok {
		header.Set("Retry-After", strconv.Itoa(wait))
	}
	text, err := codec{}.Marshal(st.Proto())
	if err != nil { // a detail of a type that nobody knows
		text, err = codec{}.Marshal(status.New(st.Code(), st.Message()).Proto())
	}
	if err != nil { // a message that is no UTF-8
		text = []byte(`{"code":13,"message":"internal error","details":[]}` + "\n")
	}
	w.WriteHeader(code)
	_, _ = w.Write(text) // who is gone needs none
}

// retryAfter is the status' RetryInfo in whole seconds, at least 1.
func retryAfter(st *status.Status) (seconds int, ok bool) {
	for _, detail := range st.Details() {
		if info, is := detail.(*errdetails.RetryInfo); is {
			return max(1, int(math.Ceil(info.GetRetryDelay().AsDuration().Seconds()))), true
		}
	}
	return 0, false
}

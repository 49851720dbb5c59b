package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// ErrorDomain is the domain of every ErrorInfo that the services send.
const ErrorDomain = "realtime-svc"

// retryDelay is what a caller is told to wait after UNAVAILABLE: about what a restart takes.
const retryDelay = time.Second

var (
	errNodeNotFound = errors.New("service: the token was issued by a node that this one cannot reach")
	errShuttingDown = errors.New("service: the server is shutting down")
)

// A status travels in HTTP/2 trailers, of which some clients take 8 KiB in all: what a request says is quoted up to a
// bound, as are its violations.
const (
	maxQuotedBytes   = 256
	maxViolations    = 32 // that are told at all
	maxInMessageText = 4  // that the status's message has; the others are in the details only
)

// namespaceError says that the hub has no namespace of this name.
type namespaceError struct{ name string }

func newNamespaceError(name string) *namespaceError {
	if len(name) > maxQuotedBytes {
		name = strings.ToValidUTF8(name[:maxQuotedBytes], "")
	}
	return &namespaceError{name: name}
}

func (e *namespaceError) Error() string {
	return fmt.Sprintf("service: the server is not configured with namespace %q", e.name)
}

// requestError holds everything that is wrong with a request, at least one violation.
type requestError struct {
	violations []*errdetails.BadRequest_FieldViolation
}

func (e *requestError) Error() string {
	var b strings.Builder
	for i, v := range e.violations {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == maxInMessageText {
			fmt.Fprintf(&b, "and %d more", len(e.violations)-i)
			break
		}
		b.WriteString(v.GetField() + ": " + v.GetDescription())
	}
	return b.String()
}

// statuses says for each sentinel which status it becomes. A sentinel is never the error of two rows.
var statuses = []struct {
	err    error
	code   codes.Code
	reason realtimev1.ErrorReason
}{
	{rooms.ErrSocketGone, codes.NotFound, realtimev1.ErrorReason_ERROR_REASON_SOCKET_NOT_FOUND},
	{rooms.ErrAckUnknown, codes.FailedPrecondition, realtimev1.ErrorReason_ERROR_REASON_ACK_UNKNOWN},
	{errNodeNotFound, codes.NotFound, realtimev1.ErrorReason_ERROR_REASON_NODE_NOT_FOUND},
	{errShuttingDown, codes.Unavailable, realtimev1.ErrorReason_ERROR_REASON_SHUTTING_DOWN},
	{access.ErrToken, codes.Unauthenticated, realtimev1.ErrorReason_ERROR_REASON_TOKEN_INVALID},
	{access.ErrStreams, codes.ResourceExhausted, realtimev1.ErrorReason_ERROR_REASON_TOO_MANY_STREAMS},
	{feed.ErrShutdown, codes.Unavailable, realtimev1.ErrorReason_ERROR_REASON_SHUTTING_DOWN},
	{feed.ErrMismatch, codes.FailedPrecondition, realtimev1.ErrorReason_ERROR_REASON_GROUP_MISMATCH},
	{errIdempotencyConflict, codes.FailedPrecondition, realtimev1.ErrorReason_ERROR_REASON_IDEMPOTENCY_CONFLICT},
	{feed.ErrTooMany, codes.ResourceExhausted, realtimev1.ErrorReason_ERROR_REASON_TOO_MANY_GROUPS},
}

// statusError returns the error that a method ends with: nil for nil, a status with details for what this package
// knows, CANCELED and DEADLINE_EXCEEDED for those of contexts, what gRPC itself returned as it is, and INTERNAL for the
// rest.
func statusError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if request, ok := errors.AsType[*requestError](err); ok {
		return withDetails(codes.InvalidArgument, err, &errdetails.BadRequest{FieldViolations: request.violations})
	}
	if namespace, ok := errors.AsType[*namespaceError](err); ok {
		info := errorInfo(realtimev1.ErrorReason_ERROR_REASON_NAMESPACE_NOT_FOUND)
		info.Metadata = map[string]string{"namespace": namespace.name}
		return withDetails(codes.NotFound, err, info)
	}
	if refused := accessError(err); refused != nil {
		return refused
	}
	for _, row := range statuses {
		if !errors.Is(err, row.err) {
			continue
		}
		if row.code == codes.Unavailable {
			return withDetails(row.code, err, errorInfo(row.reason), &errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
		}
		return withDetails(row.code, err, errorInfo(row.reason))
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Internal, err.Error())
}

// accessError returns the status of those errors of package access that say more than what they are; nil for the rest.
func accessError(err error) error {
	if method, ok := errors.AsType[*access.MethodError](err); ok {
		info := errorInfo(realtimev1.ErrorReason_ERROR_REASON_METHOD_NOT_ALLOWED)
		info.Metadata = map[string]string{"method": strings.TrimPrefix(method.Method, "/")}
		return withDetails(codes.PermissionDenied, err, info)
	}
	if namespace, ok := errors.AsType[*access.NamespaceError](err); ok {
		info := errorInfo(realtimev1.ErrorReason_ERROR_REASON_NAMESPACE_NOT_ALLOWED)
		info.Metadata = map[string]string{"namespace": namespace.Namespace}
		return withDetails(codes.PermissionDenied, err, info)
	}
	if limit, ok := errors.AsType[*access.RateError](err); ok {
		retry := &errdetails.RetryInfo{RetryDelay: durationpb.New(limit.Retry)}
		return withDetails(codes.ResourceExhausted, err, errorInfo(realtimev1.ErrorReason_ERROR_REASON_RATE_LIMITED), retry)
	}
	return nil
}

// toStatus is statusError for one of many requests on a stream.
func toStatus(err error) *realtimev1.Status {
	p := status.Convert(statusError(err)).Proto()
	return &realtimev1.Status{Code: p.GetCode(), Message: p.GetMessage(), Details: p.GetDetails()}
}

func errorInfo(reason realtimev1.ErrorReason) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: strings.TrimPrefix(reason.String(), "ERROR_REASON_"), Domain: ErrorDomain}
}

// withDetails makes a status of err's text without the name of the Go package that it begins with.
func withDetails(code codes.Code, err error, details ...protoadapt.MessageV1) error {
	text := err.Error()
	for _, prefix := range []string{"service: ", "rooms: ", "feed: ", "access: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	st := status.New(code, text)
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st.Err()
}

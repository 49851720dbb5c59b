package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrToken says that a call has no token or certificate that the tokens file names, or one that is out of time, or that a
	// stream's was taken away. Which of them it is only the log tells.
	ErrToken = errors.New("access: the call has no token that is valid")
	// ErrStreams says that the caller has as many streams open as it may.
	ErrStreams = errors.New("access: the caller has as many streams open as it may")
)

// MethodError says that a caller may not call a method.
type MethodError struct {
	// Method is the method as gRPC names it, "/package.Service/Method".
	Method string
}

func (e *MethodError) Error() string {
	return "access: the caller may not call " + strings.TrimPrefix(e.Method, "/")
}

// NamespaceError says that a caller may not touch a namespace.
type NamespaceError struct {
	// Namespace is its name, at most 256 bytes of it, or "*" where all namespaces were asked for.
	Namespace string
}

func (e *NamespaceError) Error() string {
	if e.Namespace == everything {
		return "access: this needs all namespaces, and the caller may use only some: name those that are meant"
	}
	return fmt.Sprintf("access: the caller may not use namespace %q", e.Namespace)
}

// RateError says that a caller makes more calls than it may.
type RateError struct {
	// Retry is when the next call may succeed. More than zero.
	Retry time.Duration
}

func (e *RateError) Error() string { return "access: the caller makes more calls than it may" }

// maxQuotedBytes bounds what an error quotes of a request.
const maxQuotedBytes = 256

func clip(s string) string {
	if len(s) <= maxQuotedBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuotedBytes], "")
}

package access

import (
	"fmt"
	"strings"
)

// maxQuotedBytes bounds what an error quotes of a request.
const maxQuotedBytes = 256

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

func clip(s string) string {
	if len(s) <= maxQuotedBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuotedBytes], "")
}

package access

import (
	"context"
	"slices"
	"strings"
)

// Caller is who makes a call, and what its entry in the tokens file gives it. It does not change. The nil Caller is one
// without a name that may do everything. All methods may be called from any goroutine.
type Caller struct {
	name       string
	methods    []string // as in the file
	namespaces []string // patterns: a name, or what names begin with and "*"
}

// Name returns the name of the caller's entry, "" for the nil Caller.
func (c *Caller) Name() string {
	if c == nil {
		return ""
	}
	return c.name
}

// MayMethod reports whether the caller may call a method, which is named as gRPC does: "/package.Service/Method".
func (c *Caller) MayMethod(fullMethod string) bool {
	if c == nil {
		return true
	}
	service, method, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	service = shortName(service)
	return slices.ContainsFunc(c.methods, func(right string) bool {
		return right == everything || right == service || right == method || methodOf(right, service, method)
	})
}

// reflectionRight is the right to use server reflection, whose service has another name in each version.
const reflectionRight = "Reflection"

// shortName is a service's name in rights: without its package.
func shortName(service string) string {
	if strings.HasPrefix(service, "grpc.reflection.") {
		return reflectionRight
	}
	return service[strings.LastIndexByte(service, '.')+1:]
}

// methodOf reports whether a right is "service/method" or "service/*".
func methodOf(right, service, method string) bool {
	of, which, found := strings.Cut(right, "/")
	return found && of == service && (which == method || which == everything)
}

// MayNamespace reports whether the caller may touch the namespace, whose name begins with "/".
func (c *Caller) MayNamespace(name string) bool {
	return c == nil || slices.ContainsFunc(c.namespaces, func(pattern string) bool { return matches(pattern, name) })
}

// MayAllNamespaces reports whether the caller may touch every namespace there is or will be.
func (c *Caller) MayAllNamespaces() bool {
	return c == nil || slices.ContainsFunc(c.namespaces, func(pattern string) bool { return covers(pattern, "/*") })
}

// everything is the right to call every method, and the pattern that every namespace matches.
const everything = "*"

// matches reports whether a name is the pattern, or begins with what stands before its "*".
func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, everything); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// covers reports whether every name that matches the second pattern matches the first.
func covers(pattern, other string) bool {
	prefix, ok := strings.CutSuffix(other, everything)
	if !ok {
		return matches(pattern, other)
	}
	return strings.HasSuffix(pattern, everything) && matches(pattern, prefix)
}

type contextKey struct{}

// NewContext returns a context in which FromContext finds c.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, &identity{caller: c})
}

// FromContext returns who makes the call whose context this is. Nil may do everything.
func FromContext(ctx context.Context) *Caller {
	id, _ := ctx.Value(contextKey{}).(*identity)
	if id == nil {
		return nil
	}
	return id.caller
}

// CheckNamespace returns nil if the call may touch the namespace, and a *[NamespaceError] if not, which is logged.
func CheckNamespace(ctx context.Context, name string) error {
	if FromContext(ctx).MayNamespace(name) {
		return nil
	}
	return refuseNamespace(ctx, clip(name))
}

// CheckAll returns nil if the call may touch every namespace, as it must for what is not bound to some of them, and a
// *[NamespaceError] if not, which is logged.
func CheckAll(ctx context.Context) error {
	if FromContext(ctx).MayAllNamespaces() {
		return nil
	}
	return refuseNamespace(ctx, everything)
}

func refuseNamespace(ctx context.Context, name string) error {
	id := ctx.Value(contextKey{}).(*identity) // there is a caller, or it might have everything
	err := &NamespaceError{Namespace: name}
	id.log.refused(ctx, id.caller.Name(), reasonNamespace, err)
	return err
}

// Package access says who may call the control plane, what they may do there and how often: bearer tokens and client
// certificates, rights by method and by namespace, rates and bounds on open streams.
//
// A [Caller] is in the context of every call that somebody with a name makes. A call without one may do everything: that is
// how a server without tokens works. Whether a call may touch a namespace is asked with [CheckNamespace] and [CheckAll] in the
// one place where names become namespaces.
package access

// Package tracing makes OpenTelemetry traces of what clients and services do, and sends them to a collector.
//
// A trace begins with what a client does. [Tracing.Observer] makes a span of each connect, event and disconnect and writes
// its context into rooms.Event.Trace, from where it goes to watchers and consumers (Event.traceparent). A consumer that
// begins its own span from there, and calls the services with it in the metadata (W3C's traceparent, as every OpenTelemetry
// client of gRPC does), goes on with the trace: [Tracing.ServerOption] makes the span of its call a child of its own.
//
//	event received (here) -> handle (the consumer's) -> EmitService/Emit (the consumer's client) -> EmitService/Emit (here)
//
// The span of an event ends when every watcher's and consumer's queue has it, or has refused it: how long it waits there is
// the time between its end and the beginning of the consumer's span.
//
// Attributes come from closed sets: what happened, and the namespace if configuration lists it. No event's name, no
// arguments, no room, no user, no id.
//
// What cannot be sent is dropped: a queue holds 2,048 spans, one export may take 10 s, and neither clients nor calls ever
// wait for the collector.
package tracing

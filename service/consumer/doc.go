// Package consumer makes a member of a consumer group out of a handler: it is EventService.Consume with the connection kept up, the
// events of different sockets handled in parallel, and each of them acknowledged when its handler returns.
//
//	c, err := consumer.New(conn, consumer.Config{Group: "orders"})
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx, consumer.Funcs{
//		Received: func(ctx context.Context, event *consumer.Event, received *realtimev1.Received) error {
//			var order Order
//			if err := event.Bind(&order); err != nil {
//				return consumer.Drop(err)
//			}
//			if err := store(ctx, order); err != nil {
//				return err // the event comes again
//			}
//			return event.Reply("stored")
//		},
//	})
//
// # What becomes of an event
//
//   - The handler returns nil: the event is acknowledged, and the client gets what [Event.Reply] said, if it said anything.
//   - It returns an error, or panics: the event comes again after a pause, which [Retry] or [Config.RetryPause] decides, and the later
//     events of its socket wait for it. How often an event may come again is the server's configuration. No reply is sent.
//   - It returns an error made by [Drop]: the event is acknowledged, and the error logged.
//   - It takes longer than [Config.AckTimeout]: its context ends, and the event comes again, maybe to another member.
//   - The stream breaks: its context ends. What the handler returns reaches nobody, and the event comes again. Events that had not begun
//     come again without the handler having seen them.
//
// So each event is handled at least once, not exactly once: a handler whose work must not be done twice looks for a key in the event's
// arguments. [Event.Attempt] tells a first delivery from a later one.
//
// # The end
//
// When the context of [Consumer.Run] ends, or [Consumer.Drain] is called, the member leaves its group: it gives back what it has not begun,
// lets the handlers that run come to their end, acknowledges their events, and only then ends the stream. The contexts of handlers do not
// end with that of Run, but when [Config.DrainTimeout] has passed.
//
// # Invariants
//
//   - K1 The handlers of one socket's events run one after the other, in the order of the events. That holds for an event that comes again,
//     on the same stream or another, while the handler of its earlier delivery still runs.
//   - K2 At most [Config.Concurrency] handlers run at a time. A socket without events costs nothing here.
//   - K3 At most [Config.MaxEvents] events with [Config.MaxBytes] are held, which is the server's promise for each stream, and those whose
//     handlers still run after their stream broke.
//   - K4 What has a verdict is on its way at once: settlements gather only while an earlier message is being written.
//   - K5 An event is never handled on the strength of a delivery that the server has taken back, as far as this side can know: what waits
//     behind an event that failed, or whose time is up, is dropped, and the server sends it again behind that event.
//
// # Goroutines and locks
//
// Run's goroutine reads the stream and one more writes it. Up to Concurrency workers, made when they are first needed and kept while Run
// runs, handle events. dispatcher.mu and outbox.mu are never held together, and neither while a handler, a hook or gRPC is called.
package consumer

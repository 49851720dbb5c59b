// Command bench measures a Socket.IO server from outside: realtime-svc, which it drives over gRPC, and Node's socket.io beside it, which does
// the same by itself. It starts each, connects raw WebSocket clients that cost less than what they measure (descriptors and one epoll
// loop, frames read by hand), and takes CPU and memory from the server's process. Times are taken from when something was due, not from
// when it was sent. See README.md for how to run it, and for figures.
package main

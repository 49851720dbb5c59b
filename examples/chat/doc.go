// Command chat is the backend of the example chat. It serves no HTTP and holds no connection to a browser: it is a gRPC client of
// realtime-svc and nothing else. The page in web/ is static files.
//
// What comes up from the pages, with what the backend answers where they ask for an acknowledgement:
//
//	join     room                                    {room} or {error}     a room is made by joining it
//	leave    room                                    {} or {error}
//	message  {id, room | to, text | picture}         {at, of} or {error}   to: a socket id; picture: {name, data: binary}; of: how many were asked to see it
//	typing   {room | to}                             -
//	picture  id                                      {type, data: binary} or {error}
//
// and what goes down to them:
//
//	presence {rooms: [{name, topic?, members}], people: [{id, nickname, rooms}]}   to everyone, after every change
//	history  {room, messages}                                                      to who connects or joins; pictures without their data, with seenBy
//	message  {id, at, room?, from: {id, nickname}, text | picture, of}             acknowledged when somebody has seen it
//	seen     {id, by}                                                              to the sender of a message
//	typing   {room?, from}                                                         volatile
//	replaced                                                                       the same tab has come back with another socket
//	news     text                                                                  never from here, but from whoever tries grpcurl: shown as a notice
//
// # Invariants
//
//   - C1 A nickname belongs to one socket at a time, letter case aside. It is claimed when admission accepts it, so that of two who ask at the
//     same moment one is refused.
//   - C2 A message is taken once: its sender chose its id, and sends it again until it is answered.
//   - C3 Times of messages rise strictly, so that pages agree on their order however they come in.
//   - C4 Presence is what ListSockets says as an attachment to the service begins, and from then on every event is counted in: none is missed.
//     Events from before come, too, and change nothing that is younger.
//   - C5 An event is handled until that has succeeded, at most maxAttempts times, and those of one socket in their order.
//
// # Goroutines and locks
//
// Package consumer handles the events of different sockets in parallel, and answers admission questions in parallel. Of one attachment to the
// service, one goroutine more announces presence, and one for each message waits for those who see it. They share presence,
// history and pictures, each with a lock of its own that is held for no call. postings.mu is held before those of history and pictures;
// otherwise no two are held together.
package main

// Package jwt lets clients in by a JSON Web Token (RFC 7519) that they bring, without asking anybody: an [Admitter] stands
// before the one that asks services, checks the signature and the claims, and tells from the claims which user a socket is,
// in which rooms it begins, and until when it may stay.
//
// What a client hears when it is refused is always [Message] and a code; why exactly is in the log, at most one line of each
// kind per logEvery, and in [Stats]. No token, and no piece of one but the names of its algorithm and key, is ever logged.
//
// # Keys
//
// Keys come from a file, a URL and a file with a secret, each of which a goroutine of its own looks at (type source). A token
// is only ever checked with a key of the kind that its algorithm is for, so that a public key is no secret. A token that no
// key fits makes the sources look again, no more often than each allows, and waits for that: whoever rotates keys refuses
// nobody. A source that cannot be read leaves the keys that were there before in use.
//
// # Expiry
//
// One goroutine and one timer disconnect the sockets whose token has expired (type expiry), or ask them for another one
// before. Observe only takes notes.
//
// # Locks
//
// source.mu, keeper.mu and expiry.mu are leaves: nothing is called while one of them is held.
//
// # Invariants
//
//   - J1: nobody is let in whose token did not pass, whatever state the keys are in; without keys nobody is.
//   - J2: at most maxWaiting tokens wait for one source; what comes beyond that is refused.
//   - J3: there is at most one entry of expiry for each socket that is connected or away.
//   - J4: an admitted socket whose token had an expiry is disconnected after it, however often its connection was recovered,
//     unless it brought another token.
package jwt

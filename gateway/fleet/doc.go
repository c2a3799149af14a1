// Package fleet answers one question: what do the replicas of a gateway share? It is kept in Redis: the policy and the
// pauses of its rules, who is there and runs what, the evidence on its way to one place, and the counts of all.
//
// Redis is on no request's way. A request reads an atomic pointer or adds to a number in memory; everything that talks
// to Redis runs behind Fleet.Run, within tens of milliseconds for each command and in bounded memory. When Redis is
// away, slow, full, flushed or wrong, each replica goes on with what it has, and they agree again when it is back.
//
// That works because nothing here depends on whether a command that got no answer was carried out:
//
//   - the policy is replaced by compare and set, under an id of its own, so that whoever asks again finds it there;
//   - a replica never goes back to an older generation: it puts its own back, or lifts a newer policy above it;
//   - a line of evidence has the id that its place in the record gives it, so that no line is there twice;
//   - a counter is written as the total of the one who counted, not as what came on top.
//
// It needs Redis 7 or later. A user of Redis with restricted rights needs +@read +@write +@stream +@pubsub +@scripting +@connection +time
// and, in a cluster, +cluster, on the keys and channels of the prefix.
package fleet

// Package evidence answers one question: what was decided? It keeps a log of decisions from which nothing can be taken
// away, and in which nothing can be changed, without somebody who looks for it finding that out.
//
// # The log
//
// A log is a folder. Its lines are JSON, and every line is a leaf of one RFC 6962 Merkle tree: its hash is that of the
// line without its newline. Most lines are decisions; the others begin with their kind:
//
//	segment     the first line of a file: where it stands in the log, and the roots of the complete subtrees before it
//	checkpoint  the size and root hash of all lines before it, as a signed note (C2SP tlog-checkpoint, Ed25519)
//	start stop  the log was opened, was closed
//	gap         decisions are missing: lost ones were answered nevertheless, failed ones were not
//	torn        what a crash had left of a line was set aside, into a file of its own
//	dropped     retention has removed the lines before an index
//	event       a policy, a database or a pause has changed, or an auditor was shown a preview
//
// A buyer's words stand only within a decision's strings, in which everything is escaped that could end a line or a
// string, so that no request can write a line of another kind.
//
// Segments are files named by the index of their first line. A segment ends when it is full, with its day (UTC), and
// when a write fails. It is then compressed in the background. Beside each segment the hashes of its lines are kept.
// They follow from the lines, so they need not be durable before a request is answered; they tell which line was
// altered, and stay when retention drops the lines, so that the tree remains whole. Retention says in the log what it
// drops: a segment that somebody else removed is found missing.
//
// # Writing
//
// One goroutine writes. It takes all lines that wait, adds a checkpoint, and hands them to the disk with one write and
// one fdatasync; meanwhile the next lines gather. With Strict a call returns when its line is on disk. With BestEffort
// it returns at once, a line is on disk about a second later, and what does not fit into the queue is counted to the
// record. What could not be written stays in the queue while there is room.
//
// After a failure nobody knows what the disk has: the system reports a failed sync once, and then takes for written
// what is not. So the file is cut back to where it was known to be durable and never synced again, all who wait get
// the error, and the log goes on in a new file as soon as it can, without a restart. Should the disk refuse even the
// cut, and the process end before the disk recovers, a record that was refused may turn up in the log, once.
//
// A write beyond the file size limit of a process raises SIGXFSZ, of which the Go runtime dies. A command must ignore
// that signal (signal.Ignore(syscall.SIGXFSZ)), so that the write fails like any other.
//
// # Starting
//
// A start reads the last segment, compares it with the checkpoints in it, and refuses to go on from one that is not
// what was signed. Lines behind the last checkpoint were acknowledged to nobody; whole ones are kept and signed with
// the next, and the start says how many; torn ones are set aside.
//
// # Reading
//
// Verify checks all of that, and names file and line of what it finds. A log that somebody has cut back, checkpoint
// and all, is one that was: only a checkpoint that was kept elsewhere tells, and whoever holds the key can write
// another log. So checkpoints belong into other hands (Config.OnCheckpoint), and so does the public key. Find, Prove
// and NewReport read a log, ReadFrom and Wait follow one that is being written, and a Copy is one that is collected
// elsewhere, byte for byte.
package evidence

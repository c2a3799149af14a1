// Package maxmind answers: is there a newer database? It asks MaxMind, or a mirror that answers alike, for the editions
// that an operator has a license for, and puts a newer database in the place of the one on disk once it is proved good.
//
// It speaks what MaxMind documents for direct downloads
// (https://dev.maxmind.com/geoip/updating-databases/#directly-downloading-databases): a HEAD request for Last-Modified,
// which does not count against the account's daily limit; then, only if there is something newer, GET requests of the
// permalinks /geoip/databases/EDITION/download with suffix=tar.gz.sha256 and suffix=tar.gz. Account id and license key
// go by Basic authentication to that host alone: what it redirects to, which is a storage host, never sees them.
//
// What was fetched and when to ask again is kept beside the databases, and written down before anything is downloaded,
// so that a process that is restarted, or killed, again and again does not download again and again. A failure of any
// kind leaves the database as it was.
package maxmind

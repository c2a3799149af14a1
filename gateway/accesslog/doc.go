// Package accesslog answers one question: what was asked of a web server, by the log that it has kept?
//
// It reads the common and the combined format (Apache's, nginx's and Traefik's; with the virtual host before the line or
// without), and JSON, an object a line, with the keys that nginx, Caddy and Traefik have for a request. Each line is told
// by itself, so that a log may change its format between two lines, and a bad line costs nothing but itself.
//
// What a client sends stands in these lines, so a line is believed only where it cannot have been written by one: a field in
// quotes ends where the server has ended it, and the time that counts is the one that a request in quotes follows.
package accesslog

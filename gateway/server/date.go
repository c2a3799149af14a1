package server

import (
	"net/http"
	"time"
)

// date is a second as a header field has it.
type date struct {
	second int64
	field  string
}

// dateField returns the Date field of an answer (RFC 9110, section 6.6.1). It is written once a second.
func (s *Server) dateField(now time.Time) string {
	second := now.Unix()
	if d := s.date.Load(); d != nil && d.second == second {
		return d.field
	}
	d := &date{second, "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
	s.date.Store(d)
	return d.field
}

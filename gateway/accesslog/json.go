package accesslog

import (
	"cmp"
	"errors"
	"strings"

	"github.com/tidwall/gjson"
)

// format is whose keys a line in JSON has.
type format uint8

const (
	unknownFormat format = iota
	nginx
	caddy
	traefik
)

// fields are what the keys of a line say, in the words of whoever wrote it.
type fields struct {
	client, at, request, method, target gjson.Result
	httpHost, host, serverName, body    gjson.Result
	format                              format
}

// one keeps the first of several keys that say the same.
func one(into *gjson.Result, value gjson.Result) {
	if !into.Exists() && value.String() != "" {
		*into = value
	}
}

// parseJSON reads an object. That it is whole is looked at first: of a line that was cut off, some keys would still be found.
func (p *Parser) parseJSON(line string, e *Entry) error {
	if !gjson.Valid(line) {
		return errors.New("the line is no JSON; one that is cut off is not, nor one that nginx has written without escape=json")
	}
	var f fields
	gjson.Parse(line).ForEach(func(key, value gjson.Result) bool {
		f.take(key.Str, value)
		return true
	})
	e.format = f.format
	if e.request = line; f.format == caddy {
		e.request = f.request.Raw
		f.request.ForEach(func(key, value gjson.Result) bool {
			f.takeOfCaddy(key.Str, value)
			return true
		})
	}
	line, whole := f.request.Str, f.request.Type == gjson.String
	if !f.client.Exists() || !f.at.Exists() || !whole && (f.method.Str == "" || f.target.Str == "") {
		return errors.New("the object names no request; expected the keys of nginx (remote_addr, time_iso8601, request, host), Caddy or Traefik")
	}
	if err := e.readClient(f.client.String()); err != nil {
		return err
	}
	var err error
	if e.At, err = p.clock.parseAny(f.at.String()); err != nil {
		return err
	}
	e.Host = cmp.Or(f.httpHost.Str, f.host.Str, f.serverName.Str)
	if whole {
		e.readRequest(line)
	} else {
		e.setRequest(f.method.Str, f.target.Str)
	}
	e.Bodiless = f.body.Raw == "0"
	return nil
}

// take reads a key at the top: all of Traefik's begin with a capital, and Caddy's request is an object.
func (f *fields) take(key string, value gjson.Result) {
	switch key {
	case "remote_addr":
		one(&f.client, value)
	case "time_iso8601", "time_local", "msec", "time", "ts", "timestamp", "@timestamp":
		one(&f.at, value)
	case "request":
		if f.request, f.format = value, nginx; value.IsObject() {
			f.format = caddy
		}
	case "request_method", "method":
		one(&f.method, value)
	case "request_uri":
		one(&f.target, value)
	case "http_host":
		f.httpHost = value
	case "host":
		f.host = value
	case "server_name":
		f.serverName = value
	case "bytes_read", "RequestContentSize":
		f.body = value
	case "ClientHost":
		f.client = value
	case "ClientAddr":
		one(&f.client, value)
	case "StartUTC", "StartLocal":
		f.at = value
	case "RequestMethod":
		f.method = value
	case "RequestPath":
		f.target, f.format = value, traefik
	case "RequestHost":
		f.host = value
	case "RequestAddr":
		f.httpHost = value
	}
}

// takeOfCaddy reads a key of the object that Caddy has for a request. client_ip is who asked by Caddy's own trusted proxies.
func (f *fields) takeOfCaddy(key string, value gjson.Result) {
	switch key {
	case "client_ip":
		f.client = value
	case "remote_ip", "remote_addr":
		one(&f.client, value)
	case "method":
		f.method = value
	case "host":
		f.host = value
	case "uri":
		f.target = value
	}
}

// Header returns the lines of a header field, if the line of the log has it: under http_name with nginx, in headers with
// Caddy, under request_Name with Traefik.
func (e *Entry) Header(name string) []string {
	if e.request == "" {
		return nil
	}
	var lines []string
	gjson.Parse(e.request).ForEach(func(key, value gjson.Result) bool {
		switch {
		case e.format == caddy && key.Str == "headers":
			value.ForEach(func(key, value gjson.Result) bool {
				if strings.EqualFold(key.Str, name) {
					for _, line := range value.Array() {
						lines = append(lines, line.Str)
					}
				}
				return true
			})
		case e.format != caddy && isHeader(key.Str, name) && value.Str != "" && value.Str != "-":
			lines = append(lines, value.Str)
		}
		return true
	})
	return lines
}

// isHeader reports whether a key is that of a header field with nginx or Traefik.
func isHeader(key, name string) bool {
	for _, prefix := range [...]string{"http_", "request_"} {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			return len(rest) == len(name) && strings.EqualFold(strings.ReplaceAll(rest, "_", "-"), name)
		}
	}
	return false
}

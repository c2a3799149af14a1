package canonical

import (
	"net/http"
	"strings"

	"gate451/rules"
)

// Read fills in the host, the paths and the query of out with all that an upstream might take the request for. It
// looks at the target as it came on the wire (RequestURI), which nothing has decoded yet, and leaves the
// other fields of out alone. The slice in out is used again, so that one Request may serve many requests.
//
// The error is always a *Malformed; out then names no host and no path.
func Read(r *http.Request, out *rules.Request) error {
	if r.ProtoMajor >= 2 {
		// An HTTP/2 request may carry a Host beside :authority; net/http believes the latter (RFC 9113,
		// section 8.3.1, has the two agree), and a server behind a translation may believe the other.
		for _, beside := range r.Header["Host"] {
			if err := sameHost(beside, r.Host); err != nil {
				forget(out)
				return err
			}
		}
		if err := checkLength(r.Header["Content-Length"]); err != nil {
			forget(out)
			return err
		}
	}
	return ReadTarget(r.Method, r.RequestURI, r.Host, out)
}

// checkLength refuses lengths that net/http lets pass in HTTP/2 and takes for none (RFC 9113, section 8.1.1): a server behind
// a translation may take them for something else.
func checkLength(lengths []string) error {
	for _, length := range lengths {
		if length == "" || strings.Trim(length, "0123456789") != "" || length != lengths[0] {
			return malformed(CauseBody, "the Content-Length %s is no number, or one of several; expected the number of bytes of the body", excerpt(length))
		}
	}
	return nil
}

// ReadTarget is Read for a request that is only described: its method, its target as a request line has
// it, and its host as a Host field has it. An empty host stands for the host in a target in absolute form.
func ReadTarget(method, target, host string, out *rules.Request) error {
	forget(out)
	if err := checkMethod(method); err != nil {
		return err
	}
	authority, path, query, err := splitTarget(method, target)
	if err != nil {
		return err
	}
	if authority != "" {
		if host == "" {
			host = authority
		} else if err := sameHost(authority, host); err != nil {
			return err
		}
	}
	name, err := readHost(host)
	if err != nil {
		return err
	}
	o := oddIn(path)
	if err := checkTarget(path, query, o); err != nil {
		return err
	}
	paths, err := appendReadings(out.Paths, path, o)
	if err != nil {
		return err
	}
	out.Host, out.Paths, out.Query = name, paths, query
	return nil
}

// forget drops the last request, so that a refused one cannot be judged as the one before it.
func forget(out *rules.Request) {
	out.Host, out.Paths, out.Query = "", out.Paths[:0], ""
}

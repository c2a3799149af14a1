package gateway_test

import "strings"

// disguise puts things about a request to Vendure that the shop passes over and a reader may not: what stands in the target
// of a POST, members that later ones replace, parameters, types and parts of no meaning.
func (s *speller) disguise(r *shopRow) {
	for range 1 + s.IntN(3) {
		switch s.IntN(5) {
		case 0:
			r.Target += draw(s, "?", "&")
			if strings.Count(r.Target, "?") == 0 {
				r.Target = strings.Replace(r.Target, "&", "?", 1)
			}
			r.Target += draw(s, `query={__typename}`, `variables={%22v0%22:%226%22,%22v1%22:%226%22,%22id%22:%226%22}`, "variables[v0]=6&variables[v1]=6", "operationName=Q",
				"operationName=M", "extensions={}", "[query]=query+Q{__typename}", "variables[id]x=6", "variables=", "documentId=x")
		case 1:
			s.parameter(r)
		case 2:
			s.replaced(r)
		case 3:
			s.aside(r)
		default:
			r.Headers = append(r.Headers, draw(s, [2]string{"Content-Type", "application/json"}, [2]string{"Content-Type", "text/plain"},
				[2]string{"Content-Type", "application/x-www-form-urlencoded"}, [2]string{"Content-Type", "multipart/form-data; boundary=x"},
				[2]string{"Content-Encoding", "identity"}, [2]string{"X-HTTP-Method-Override", "GET"}, [2]string{"Apollo-Require-Preflight", "1"},
				[2]string{"Content-Disposition", "form-data; name=x"}, [2]string{"Accept", "*/*"}, [2]string{"Content-Type", "application/json; charset=utf-7"}))
		}
	}
}

// parameter adds a parameter to the type of the body.
func (s *speller) parameter(r *shopRow) {
	for i := range r.Headers {
		if strings.EqualFold(r.Headers[i][0], "Content-Type") {
			r.Headers[i][1] += draw(s, "; charset=utf-8", `; x="charset=utf-7"`, `; x="; boundary=b"`, "; boundary=b", "; x=y", ";charset=UTF-16", " ; CHARSET=us-ascii", `; x="a,b"`, ";")
			return
		}
	}
}

// replaced adds members to JSON that is plain, before those that are there.
func (s *speller) replaced(r *shopRow) {
	text := string(r.body())
	start := strings.IndexByte(text, '{')
	if start < 0 || strings.TrimSpace(text[:start]) != "" {
		return
	}
	first := draw(s, `"query":"{__typename}"`, `"query":null`, `"variables":{"v0":"6","v1":"6"}`, `"variables":{}`, `"operationName":"Q"`, `"operationName":null`, `"extensions":{}`,
		`"documentId":"x"`, `"id":"6"`, `"__proto__":{"query":"{__typename}"}`, `"constructor":1`, `"\u0071uery":"{__typename}"`, `"query":{"a":["}"]}`)
	r.BodyBase64 = []byte(text[:start+1] + first + "," + text[start+1:])
}

// aside puts something before or behind a form or parts.
func (s *speller) aside(r *shopRow) {
	text := string(r.body())
	switch {
	case strings.HasPrefix(text, "--"):
		boundary, _, _ := strings.Cut(text, "\r\n")
		other := boundary + "\r\nContent-Disposition: form-data; name=" + draw(s, "query", "variables", "x", `"variables[v0]"`) + "\r\n\r\n" + draw(s, "6", "{}", "{__typename}") + "\r\n"
		r.Body = draw(s, "preamble\r\n"+text, text+"epilogue", strings.Replace(text, boundary+"--", other+boundary+"--", 1))
	case strings.Contains(text, "=") && !strings.ContainsAny(text, "{\x00"):
		r.Body = draw(s, "x]=y&"+text, text+"&x=%zz", text+"&operationName[]=", "&&"+text, text+"&variables[x]=6")
	}
}

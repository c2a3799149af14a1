package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const prefix = "GATE451_"

// kubernetes matches the variables that Kubernetes sets for a Service whose name begins with gate451.
var kubernetes = regexp.MustCompile(`^GATE451_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// variable names the environment variable that overrides the key at a path.
func variable(path []string) string {
	return prefix + strings.ToUpper(strings.Join(path, "_"))
}

// ours returns the variables that bear our prefix; where one occurs twice, the last one counts.
func ours(environ []string) map[string]string {
	found := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, prefix) && !kubernetes.MatchString(name) {
			found[name] = value
		}
	}
	return found
}

// override sets every scalar that has a variable, and complains about variables that override nothing.
func (w *walker) override(c *Config) {
	var names []string
	each(reflect.ValueOf(c).Elem(), nil, func(path []string, f field, v reflect.Value) {
		name := variable(path)
		names = append(names, name)
		text, ok := w.environ[name]
		if !ok {
			return
		}
		place := Problem{File: name}
		if f.shape() != scalar {
			w.reportAt(place, "%s is %s, which no variable can set; set it in the file", strings.Join(path, "."), f.shape())
			return
		}
		w.places[v.Addr().Interface()] = place
		w.set(text, f, v, place)
	})
	for name := range w.environ {
		if slices.Contains(names, name) {
			continue
		}
		right := "unset it, or name it without " + prefix
		if near := nearest(name, names); near != "" {
			right = "did you mean " + near + "?"
		}
		w.warnings = append(w.warnings, Problem{File: name, Message: "overrides no key of gateway.yaml; " + right})
	}
}

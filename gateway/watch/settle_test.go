package watch

import (
	"os"
	"testing"
	"time"
)

func TestSettling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	states := map[byte][]state{'-': {nil}}
	for _, name := range "abc" {
		states[byte(name)] = look([]string{write(t, string(name), dir, string(name))})
	}
	for name, looks := range map[string][]struct {
		why  reason
		seen byte
		want step
	}{
		"unchanged":                        {{rested, 'a', nothing}, {noticed, 'a', nothing}, {polled, 'a', nothing}},
		"changed once":                     {{noticed, 'b', wait}, {noticed, 'b', nothing}, {polled, 'b', nothing}, {rested, 'b', reload}},
		"changed by the first look":        {{rested, 'b', wait}, {rested, 'b', reload}},
		"keeps changing":                   {{noticed, 'b', wait}, {noticed, 'c', wait}, {rested, '-', wait}, {rested, 'c', wait}, {rested, 'c', reload}},
		"missing":                          {{noticed, '-', wait}, {rested, '-', reload}},
		"changed back":                     {{noticed, 'b', wait}, {noticed, 'a', nothing}, {rested, 'a', nothing}, {noticed, 'b', wait}},
		"refused, tried again when polled": {{noticed, 'b', wait}, {rested, 'b', reload}, {noticed, 'b', nothing}, {rested, 'b', nothing}, {polled, 'b', wait}, {rested, 'b', reload}},
	} {
		var s settling
		for i, look := range looks {
			if got := s.next(look.why, states[look.seen], states['a']); got != look.want {
				t.Errorf("%s: look %d: step %d, want %d", name, i, got, look.want)
			}
		}
	}
	s := settling{failed: true}
	if s.next(noticed, states['a'], states['a']) != wait || s.next(rested, states['a'], states['a']) != reload {
		t.Error("the loaded files are not read again after a failure")
	}
}

func TestSameFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, "text", dir, "file")
	hour := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	stamp := func(path string, at time.Time) {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	stamp(path, hour)
	before := look([]string{path})
	for _, test := range []struct {
		name   string
		change func()
		same   bool
	}{
		{"untouched", func() {}, true},
		{"read", func() { _, _ = os.ReadFile(path) }, true},
		{"another time", func() { stamp(path, hour.Add(time.Millisecond)) }, false},
		{"another size", func() { write(t, "texts", path); stamp(path, hour) }, false},
		{"the same again", func() { write(t, "text", path); stamp(path, hour) }, true},
		{"another file", func() { rename(t, write(t, "text", dir, "other"), path); stamp(path, hour) }, false},
		{"missing", func() { rename(t, path, path+".aside") }, false},
	} {
		test.change()
		if got := sameFiles(before, look([]string{path})); got != test.same {
			t.Errorf("%s: the same is %t", test.name, got)
		}
	}
}

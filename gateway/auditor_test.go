package gateway

import (
	"strings"
	"testing"
)

func TestKeyOfAReplica(t *testing.T) {
	t.Parallel()
	if key, err := keyOf("", "gate-1"); key != "" || err != nil {
		t.Errorf("without a folder: %q, %v", key, err)
	}
	dir := t.TempDir()
	if _, err := keyOf(dir, "gate-1"); err == nil || !strings.Contains(err.Error(), "has no key of the replica gate-1; put the sign.pub of its evidence there as gate-1.pub") {
		t.Errorf("%v", err)
	}
}

func TestNormalReference(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"7K3M-9QXA": "7K3M-9QXA", "7k3m9qxa": "7K3M-9QXA", " 7k3m - 9qxa ": "7K3M-9QXA", "oil0-0000": "0110-0000", "": "", "7K3M": "7K3M", "7K3M-9QXAB": "7K3M9QXAB",
	} {
		if got := NormalReference(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Package rules breaks what package rules must keep.
package rules

import (
	"context"
	"os" // want depguard.
	"time"

	_ "gate451/rules/packs"
	_ "net"      // want depguard.
	_ "net/http" // want depguard.
	_ "net/netip"
	_ "net/url"
	_ "os/exec" // want depguard.

	_ "github.com/prometheus/client_golang/prometheus" // want depguard.
)

// Clock asks the machine for what is an argument.
func Clock(ctx context.Context, t time.Time) (bool, error) {
	_ = time.Now()           // want forbidigo.
	_ = time.Since(t)        // want forbidigo.
	_ = time.Until(t)        // want forbidigo.
	time.Sleep(1)            // want forbidigo.
	<-time.After(1)          // want forbidigo.
	_ = time.NewTimer(1)     // want forbidigo.
	now := time.Now          // want forbidigo.
	_ = t.Local()            // want forbidigo.
	_ = now().In(time.Local) // want forbidigo.
	_ = t.After(t.AddDate(0, 0, 1))
	_, err := os.Getwd()
	_, stop := context.WithTimeout(ctx, 1) // want forbidigo.
	stop()
	return t.Before(t.UTC()), err
}

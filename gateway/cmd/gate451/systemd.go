package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"gate451/gateway"
)

// The names of the sockets that systemd may have opened: FileDescriptorName= of the socket units.
const (
	socketPublic = "public"
	socketAdmin  = "admin"
)

// supervisor is the systemd that has started the process, as far as there is one.
type supervisor struct {
	// sockets returns those that it has opened, by name. It must not be called twice.
	sockets func() (map[string][]net.Listener, error)
	// tell says how the process is, in the words of sd_notify(3). Nobody may be listening.
	tell func(state string)
	// watchdog returns how long it waits for a sign of life before it restarts the process; 0 if it waits for none.
	watchdog func() (time.Duration, error)
}

// systemd returns what the environment says of it.
func systemd() supervisor {
	return supervisor{
		sockets: activation.ListenersWithNames,
		tell: func(state string) {
			_, _ = daemon.SdNotify(false, state) // whoever does not listen misses nothing that the log does not say
		},
		watchdog: func() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) },
	}
}

// open returns the sockets on which to serve instead of opening them, and how often to give a sign of life.
func (s supervisor) open() (public, admin net.Listener, watchdog time.Duration, err error) {
	if watchdog, err = s.watchdog(); err != nil {
		return nil, nil, 0, fmt.Errorf("WATCHDOG_USEC: %w; systemd sets it from WatchdogSec=", err)
	}
	all, err := s.sockets()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("a socket that systemd has opened cannot be used: %w; the socket units must have ListenStream=", err)
	}
	one := func(name string) (net.Listener, error) {
		given := slices.DeleteFunc(all[name], func(ln net.Listener) bool { return ln == nil }) // what is no stream
		if len(given) > 1 {
			return nil, fmt.Errorf("systemd has opened %d sockets named %s; give one ListenStream= to each socket unit", len(given), name)
		}
		if len(given) == 0 {
			return nil, nil
		}
		return given[0], nil
	}
	var errPublic, errAdmin error
	public, errPublic = one(socketPublic)
	admin, errAdmin = one(socketAdmin)
	err = errors.Join(errPublic, errAdmin)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != socketPublic && name != socketAdmin {
			err = errors.Join(err, fmt.Errorf("systemd has opened a socket named %s; its unit must say FileDescriptorName=%s or FileDescriptorName=%s", name, socketPublic, socketAdmin))
		}
	}
	if err != nil {
		for _, listeners := range all {
			for _, ln := range listeners {
				if ln != nil {
					_ = ln.Close() // nothing is served
				}
			}
		}
		return nil, nil, 0, err
	}
	return public, admin, watchdog, nil
}

// supervised is a gateway that tells systemd how it is.
type supervised struct {
	*gateway.Gateway
	supervisor
	serving  <-chan struct{} // closed once buyers are served
	interval time.Duration   // of the watchdog
}

// Run serves, and says when it does so, when it stops, and that it is alive.
func (s *supervised) Run(stop, kill context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.report(ctx, stop)
	}()
	defer func() {
		cancel()
		<-told
	}()
	return s.Gateway.Run(stop, kill)
}

// report tells systemd until the context ends.
func (s *supervised) report(ctx, stop context.Context) {
	select {
	case <-s.serving:
	case <-ctx.Done():
		return
	}
	s.tell(daemon.SdNotifyReady + "\nSTATUS=serving on " + s.PublicAddr().String())
	var beat <-chan time.Time
	if s.interval > 0 {
		ticker := time.NewTicker(s.interval / 3) // two may be late
		defer ticker.Stop()
		beat = ticker.C
	}
	client := &http.Client{Timeout: max(s.interval/3, time.Second)}
	defer client.CloseIdleConnections()
	stopping := stop.Done()
	for {
		select {
		case <-beat:
			if gateway.Healthy(client, "http://"+gateway.LocalAddress(s.AdminAddr().String())+"/healthz") == nil {
				s.tell(daemon.SdNotifyWatchdog)
			}
		case <-stopping:
			s.tell(daemon.SdNotifyStopping + "\nSTATUS=letting requests finish")
			stopping = nil
		case <-ctx.Done():
			return
		}
	}
}

// Reload reloads, and says so.
func (s *supervised) Reload() error {
	s.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	err := s.Gateway.Reload()
	status := "serving on " + s.PublicAddr().String()
	if err != nil {
		status = "not reloaded, what was in force stays: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	s.tell(daemon.SdNotifyReady + "\nSTATUS=" + status)
	return err
}

// Package gateway imports config, rules and its sub-packages, and one thing that it must not.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"gate451/gateway/geoip"
	_ "gate451/rules"

	_ "github.com/labstack/echo/v4"
	_ "github.com/labstack/echo/v4/middleware" // want depguard.
	_ "github.com/prometheus/client_golang/prometheus"
	_ "gopkg.in/yaml.v3" // want depguard.
)

type Uncommented struct{} // want revive.

// Serve does what a reviewer would otherwise have to see
func Serve(log *slog.Logger, err error) (out *http.Server) { // want-above godot.
	if err == fs.ErrNotExist { // want errorlint.
		return nil
	}
	log.Info(fmt.Sprintf("served %s", geoip.Name))                // want sloglint.
	log.Info("served", "dataBase", geoip.Name)                    // want sloglint.
	log.Info("served", "at", time.Now(), slog.String("by", "me")) // want sloglint.
	slog.Info("served")                                           // want sloglint.
	log.Info("served", "policy_digest", "sha256:…")
	log.LogAttrs(context.Background(), slog.LevelInfo, "served",
		slog.Int("bytes", 1), slog.String("by", "me"))
	var server *http.Server
	if server == nil { // want govet.
		server.Addr = "" // want govet.
	}
	errors.Join(err, nil)            // want errcheck.
	_ = errors.New("It is capital.") // want staticcheck.
	return server
}

func init() { // want gochecknoinits.
	_ = http.ListenAndServe(":0", nil) // want gosec.
}

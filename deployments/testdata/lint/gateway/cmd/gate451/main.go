// Command gate451 imports what it may, and two things that it must not.
package main

import (
	_ "gate451/config"
	_ "gate451/gateway"
	_ "gate451/gateway/cmd/gate451/flags"
	_ "gate451/gateway/geoip" // want depguard.
	_ "gate451/rules"

	_ "github.com/prometheus/client_golang/prometheus" // want depguard.
)

func main() {}

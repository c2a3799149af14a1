// Package subpackage stands for each sub-package of gateway. It imports rules, which it may, and more than that.
package subpackage

import (
	_ "gate451/config" // want depguard.
	_ "gate451/rules/packs"

	_ "github.com/prometheus/client_golang/prometheus" // want depguard.
)

// Name is what the fixtures beside this one use.
const Name = "subpackage"

// Package config imports what it must not.
package config

import (
	_ "os"

	_ "gate451/rules/packs" // want depguard.
)

package packs_test

import (
	_ "gate451/config" // want depguard.
	_ "gate451/rules"
)

package subpackage_test

import (
	_ "gate451/gateway"         // want depguard.
	_ "gate451/gateway/another" // want depguard.
	_ "gate451/gateway/subpackage"
	_ "gate451/rules"
)

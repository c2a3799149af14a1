package gateway_test

import (
	_ "gate451/config"
	_ "gate451/gateway"
	_ "gate451/gateway/cmd/gate451/flags" // want depguard.
	_ "gate451/gateway/refusal"
	_ "gate451/rules/packs"
)

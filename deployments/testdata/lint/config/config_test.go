package config_test

import (
	_ "gate451/config"
	_ "gate451/gateway"         // want depguard.
	_ "gate451/gateway/refusal" // want depguard.
	_ "gate451/rules"           // want depguard.
)

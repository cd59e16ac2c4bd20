//go:build tools

package supervisors

import (
	_ "github.com/DarthSim/hivemind"
	_ "github.com/DarthSim/overmind/v2"
)

//go:build tools

// Package tools pins what the rig builds from Go modules; `go mod tidy` keeps go.sum complete for it.
package tools

import (
	_ "github.com/buildpacks/lifecycle/cmd/launcher"
	_ "github.com/buildpacks/lifecycle/cmd/lifecycle"
	_ "github.com/buildpacks/pack"
)

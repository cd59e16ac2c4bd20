//go:build tools

// Package tools pins Docker Compose, which the rig builds from its Go module; `go mod tidy` keeps go.sum complete for it.
package tools

import _ "github.com/docker/compose/v2/cmd"

//go:build tools

// Package tools pins kubectl-validate, which the rig builds from its Go module; `go mod tidy` keeps go.sum complete for it.
package tools

import _ "sigs.k8s.io/kubectl-validate"

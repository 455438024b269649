//go:build tools

// Package tools pins Traefik, and what its own go.mod replaces.
package tools

import (
	_ "github.com/traefik/traefik/v3/cmd/traefik"
)

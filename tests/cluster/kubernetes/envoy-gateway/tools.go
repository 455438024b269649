//go:build tools

// Package tools pins Envoy Gateway.
package tools

import (
	_ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
)

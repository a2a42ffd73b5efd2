// Package qorgau holds the contract, openapi.yaml, for the one who serves it. It stands here because a Go file can embed
// only what lies beside or below it, and the contract lies at the root, where people look for it.
package qorgau

import _ "embed"

// Contract is openapi.yaml as this program was built with it.
//
//go:embed openapi.yaml
var Contract []byte

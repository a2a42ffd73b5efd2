//go:build unix && !linux

package embedded

import (
	"os/exec"
	"syscall"
)

// dieWithParent exists on Linux only. Elsewhere an orphan is adopted or stopped by the next start.
func dieWithParent(*exec.Cmd, syscall.Signal) {}

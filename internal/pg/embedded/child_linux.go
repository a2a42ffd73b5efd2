package embedded

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel send signal when the thread that started cmd is gone; spawn keeps that
// thread. It survives the change of user because Go sets it after the credentials.
func dieWithParent(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }

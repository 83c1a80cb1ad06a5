//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps Ctrl-C from reaching the program directly: we pass it on.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks the program to end gracefully.
func terminate(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }

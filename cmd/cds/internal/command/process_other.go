//go:build !unix

package command

import "os/exec"

func ownGroup(*exec.Cmd) {}

// terminate ends the program at once: there is no signal to ask it.
func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }

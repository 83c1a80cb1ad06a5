//go:build !linux

package serve

func forgetStart() {}

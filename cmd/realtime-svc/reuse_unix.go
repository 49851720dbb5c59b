//go:build unix

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort is a net.ListenConfig's Control that lets others listen on the same address.
func reusePort(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); e != nil {
		return e
	}
	return err
}

//go:build !unix

package main

import (
	"errors"
	"syscall"
)

func reusePort(string, string, syscall.RawConn) error {
	return errors.New("this system cannot share an address: leave --share-ports out")
}

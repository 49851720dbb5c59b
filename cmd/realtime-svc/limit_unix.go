//go:build unix

package main

import "syscall"

// openFilesLimit is how many descriptors the process may have, and so about how many clients. The Go runtime has
// raised the soft limit to the hard one by now. 0 is unknown.
func openFilesLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

//go:build !linux

package main

import "log"

func main() { log.Fatal("the load generator needs Linux: it drives descriptors with epoll") }

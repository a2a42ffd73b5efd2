package app

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// gone is how long what was written may lie unread before the kernel gives the connection up, in milliseconds. A client that reads nothing, or a
// phone that lost its line, would else hold its stream, and up to 4 MiB of the kernel's memory, until that is full or the line is found dead: hours
// on a quiet day, since each heartbeat has room. Twice the heartbeat of a stream (httpapi).
const gone = 30_000

// giveUp sets it on the listener; connections inherit it.
func giveUp(_, _ string, c syscall.RawConn) error {
	var err error
	if outer := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, gone) }); outer != nil {
		return outer
	}
	return err
}

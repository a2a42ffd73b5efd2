//go:build unix

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running postmaster: one we started, or one adopted, which is not our child and can only be watched.
type process struct {
	pid  int
	done chan struct{} // closed when the process is gone
	err  error         // how it ended; readable after done
}

// spawn starts cmd and waits for it on one goroutine that keeps its thread: the parent-death signal of Linux is
// tied to the thread that forked, and Go ends idle threads.
func spawn(cmd *exec.Cmd) (*process, error) {
	started := make(chan error, 1)
	p := &process{done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// watch follows a process that is not our child until it is gone. Asking is the only portable way.
func watch(pid int) *process {
	p := &process{pid: pid, done: make(chan struct{})}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for alive(pid) {
			<-tick.C
		}
		close(p.done)
	}()
	return p
}

// alive tells whether pid is a living process. In a container whose first process does not reap, a dead orphan
// stays as a zombie for ever and still takes signals.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && err != syscall.EPERM {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

// stop asks for a fast shutdown (clients are cut off, a checkpoint is written), and when ctx ends first for an
// immediate one, after which the next start replays the log. SIGKILL is the last resort, so that stop always ends:
// within ctx and twice grace.
func (p *process) stop(ctx context.Context, grace time.Duration) error {
	steps := []struct {
		signal syscall.Signal
		wait   func() <-chan struct{}
	}{
		{syscall.SIGINT, ctx.Done},
		{syscall.SIGQUIT, after(grace)},
		{syscall.SIGKILL, after(grace)},
	}
	select {
	case <-p.done: // its process id may be somebody else's by now
		return nil
	default:
	}
	for i, step := range steps {
		if err := syscall.Kill(p.pid, step.signal); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("signal PostgreSQL (process %d): %w", p.pid, err)
		}
		select {
		case <-p.done:
			if i > 0 {
				return fmt.Errorf("PostgreSQL did not stop in time and was ended with %v; its next start replays its log: %w", step.signal, context.Cause(ctx))
			}
			return nil
		case <-step.wait():
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) could not be ended", p.pid)
}

func after(d time.Duration) func() <-chan struct{} {
	return func() <-chan struct{} {
		done := make(chan struct{})
		time.AfterFunc(d, func() { close(done) })
		return done
	}
}

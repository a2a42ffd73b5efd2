package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// node is the program running as a server, in a process of its own that can be killed.
type node struct {
	cmd   *exec.Cmd
	addr  string
	wires map[string]*wire // over which it reaches providers
	said  *journal
	ended chan struct{}
	err   error // how it ended
}

// journal keeps the last warnings and errors that a node writes, and hears where it serves.
type journal struct {
	mu      sync.Mutex
	rest    []byte // a line that has not ended
	last    []byte
	serving chan string // its address, once
}

const enough = 4 << 10

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		line, rest, whole := bytes.Cut(j.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		j.rest = rest
		var entry struct{ Msg, Addr, Level string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			select {
			case j.serving <- entry.Addr:
			default:
			}
		}
		if entry.Level != "INFO" { // what went well is no reason for anything
			j.last = append(append(j.last, line...), '\n')
			j.last = j.last[max(0, len(j.last)-enough):]
		}
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.last)
}

// starting is how long a node may take until it serves.
const starting = time.Minute

// startNode runs `qorgau serve` in a role and returns when it serves. env is all that it knows of its surroundings.
func startNode(ctx context.Context, program, role string, env []string) (*node, error) {
	n := &node{said: &journal{serving: make(chan string, 1)}, ended: make(chan struct{})}
	n.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "serve", "--role", role)
	n.cmd.Env, n.cmd.Stderr, n.cmd.Dir = env, n.said, "/"
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	go func() {
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
	limit := time.NewTimer(starting)
	defer limit.Stop()
	select {
	case n.addr = <-n.said.serving:
		return n, nil
	case <-n.ended:
		return nil, fmt.Errorf("a node ended at once (%w): %s", errors.Join(n.err), n.said)
	case <-limit.C:
	case <-ctx.Done():
	}
	n.kill()
	return nil, fmt.Errorf("a node does not serve: %s", n.said)
}

// kill is kill -9.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// stop asks it to end, and says so when it does not end cleanly; one that was killed has ended.
func (n *node) stop() error {
	select {
	case <-n.ended:
		return nil
	default:
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop a node: %w", err)
	}
	const patience = time.Minute
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-n.ended:
	case <-limit.C:
		n.kill()
		return errors.New("a node did not stop")
	}
	if n.err != nil {
		return fmt.Errorf("a node ended badly: %w", n.err)
	}
	return nil
}

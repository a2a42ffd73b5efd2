// Command qorgau is the whole of Qorgau in one program: the server, the demo, and what an operator does beside a running one.
//
// It exists to turn a command line and an environment into calls of internal/app. An error is printed once, here. Exit codes:
// 0 done, 1 failed, 2 the command line itself is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
)

// version is set by the linker (-X main.version=…); empty: what Go knows of the build.
var version string

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // from now on a second signal has its usual effect: it ends the process at once
	}()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "qorgau:", err)
	}
	os.Exit(exitCode(err))
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// run is the program without its process: everything from outside comes in as an argument. ctx ends it.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	c := &cli{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	root.InitDefaultHelpCmd() // else Find does not know it yet
	if _, _, err := root.Find(args); err != nil {
		return usageError{fmt.Errorf("%w; `qorgau help` lists the commands", err)}
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; `%s --help` shows how it is used", err, cmd.CommandPath())}
	})
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // asked to end while starting: that is no failure
	}
	return err
}

// cli is what the commands share.
type cli struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "qorgau", Short: "Detention response: from a lawyer's note to a family's phone",
		Long: "Qorgau runs a detention-response service. `qorgau demo` shows it on this machine; `qorgau serve` runs it.\n" +
			"Settings come from the environment: docs/running.md.",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(cmd.Help(), usageError{errors.New("no command given")})
		},
	}
	root.AddCommand(c.demo(), c.simulate(), c.serve(), c.migrate(), c.invite(), c.importing(), c.verify(), c.organisations(), c.keys(), c.notify(), c.texts(), c.names(),
		c.standIn(), c.health(), c.showVersion())
	return root
}

// exact refuses a wrong number of arguments as a wrong command line.
func exact(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; `%s --help` shows how it is used", err, cmd.CommandPath())}
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
		}
		return errors.Join(cmd.Help(), usageError{errors.New("no command given")})
	}}
	g.AddCommand(sub...)
	return g
}

// options reads the environment. least is the level of the log when QORGAU_LOG says nothing.
func (c *cli) options(least slog.Level) (app.Options, error) {
	cfg, err := config.Read(c.getenv)
	if err != nil {
		return app.Options{}, err
	}
	if strings.TrimSpace(c.getenv("QORGAU_LOG")) == "" {
		cfg.Log = least
	}
	return app.Options{Config: cfg, Getenv: c.getenv, Log: c.logger(cfg.Log), Version: buildVersion(), Ask: c.ask()}, nil
}

// logger writes JSON lines, or plain text for a person at a terminal.
func (c *cli) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if isTerminal(c.stderr) {
		return slog.New(slog.NewTextHandler(c.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(c.stderr, o))
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ask gives the way to ask a person for a passphrase; nil when nobody sits there.
func (c *cli) ask() app.Ask {
	f, ok := c.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	return func(ctx context.Context, wrong bool) (string, error) {
		before, err := term.GetState(int(f.Fd()))
		if err != nil {
			return "", err
		}
		prompt := "Passphrase of the keyset: "
		if wrong {
			prompt = "That was not it. " + prompt
		}
		_, _ = io.WriteString(c.stderr, prompt)
		type answer struct {
			text []byte
			err  error
		}
		typed := make(chan answer, 1)
		go func() {
			text, err := term.ReadPassword(int(f.Fd()))
			typed <- answer{text, err}
		}()
		select {
		case a := <-typed:
			_, _ = io.WriteString(c.stderr, "\n")
			return string(a.text), a.err
		case <-ctx.Done():
			// The read cannot be called back, but the terminal must show again what is typed.
			_ = term.Restore(int(f.Fd()), before)
			return "", ctx.Err()
		}
	}
}

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	out := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (out == "" || out == "(devel)") {
			out = s.Value
		}
	}
	if out == "" {
		return "unknown"
	}
	return out
}

func (c *cli) showVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Say which build this is", Args: exact(0), RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(c.stdout, buildVersion())
		return err
	}}
}

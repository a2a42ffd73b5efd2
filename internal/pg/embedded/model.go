//go:build unix

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// fill makes a cluster in dir. Ephemeral ones are copied from a model, since each test binary starts its own and
// initdb takes most of that time: the model is what initdb made the first time on this machine. A cluster with
// data in it worth keeping gets an initdb of its own, for its own system identifier and its own syncing.
func (s *Server) fill(ctx context.Context, bin binaries, dir string) error {
	if !s.options.Ephemeral {
		return s.runInitdb(ctx, bin, dir)
	}
	model, err := s.modelDir(bin)
	if err != nil {
		s.log.Debug("no model of a cluster can be kept", "error", err)
		return s.runInitdb(ctx, bin, dir)
	}
	if isCluster(model) {
		return copyTree(model, dir, s.place.account)
	}
	if err := s.runInitdb(ctx, bin, dir); err != nil {
		return err
	}
	if err := keepModel(dir, model); err != nil {
		s.log.Debug("no model of a cluster can be kept", "error", err)
	}
	return nil
}

// modelDir names the model by everything that initdb's result depends on.
func (s *Server) modelDir(bin binaries) (string, error) {
	cache, err := s.host.cacheDir(s.place)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(bin.program("initdb"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%d|%q", bin.dir, bin.version, info.Size(), info.ModTime().UnixNano(), initdbArgs("C.UTF-8", true)))
	return filepath.Join(cache, fmt.Sprintf("cluster-%d-%s", bin.major, hex.EncodeToString(sum[:6]))), nil
}

// keepModel copies a fresh cluster to the model's place, whole or not at all. Another process may be doing the
// same: the first rename wins.
func keepModel(fresh, model string) error {
	work, err := os.MkdirTemp(filepath.Dir(model), "model-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := copyTree(fresh, work, account{}); err != nil {
		return err
	}
	// Once per machine, so that after a power cut no half-written model passes for a whole one.
	syscall.Sync()
	if err := os.Rename(work, model); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// copyTree copies a cluster into the existing directory to and hands it to the owner.
func copyTree(from, to string, owner account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case relative == ".":
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default:
			err = fmt.Errorf("%s is neither file nor directory", path)
		}
		if err != nil {
			return err
		}
		return owner.own(target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

//go:build unix

package embedded

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/xi2/xz"
)

// A PostgreSQL takes about 60 MB and 1,500 files unpacked; an archive far beyond that is not one.
const (
	unpackedBytes = 1 << 30
	unpackedFiles = 20_000
	// xzDictionary bounds the memory of the decoder; the known archives use 8 to 64 MB.
	xzDictionary = 128 << 20
)

// unpack writes the tree inside a downloaded archive (a zip file that holds one .txz) to dir, which must not exist.
func unpack(jar, dir string) error {
	archive, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, member := range archive.File {
		if !strings.HasSuffix(member.Name, ".txz") {
			continue
		}
		packed, err := member.Open()
		if err != nil {
			return err
		}
		defer packed.Close()
		plain, err := xz.NewReader(packed, xzDictionary)
		if err != nil {
			return err
		}
		return unpackTar(tar.NewReader(io.LimitReader(plain, unpackedBytes)), dir)
	}
	return errors.New("it holds no .txz file")
}

func unpackTar(from *tar.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	// The umask must not shut out the user that PostgreSQL runs as.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	// Nothing can be written outside a Root, whatever names and links the archive holds.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for range unpackedFiles {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackEntry(root, header, from); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
	return errors.New("it holds too many files")
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	if !filepath.IsLocal(name) {
		return errors.New("leads out of the archive")
	}
	if err := makeDirs(root, filepath.Dir(name)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return makeDirs(root, name)
	case tar.TypeSymlink:
		// PostgreSQL will follow it later, outside the Root.
		if filepath.IsAbs(header.Linkname) || !filepath.IsLocal(filepath.Join(filepath.Dir(name), header.Linkname)) {
			return errors.New("its link leads out of the archive")
		}
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		mode := os.FileMode(0o644)
		if header.Mode&0o111 != 0 {
			mode = 0o755
		}
		// A process forked meanwhile would inherit the open file, and a program open for writing cannot be run.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Chmod(mode), file.Close())
	default:
		return errors.New("is neither file, directory nor link")
	}
}

func makeDirs(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if info, err := root.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := makeDirs(root, filepath.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

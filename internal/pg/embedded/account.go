//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the operating-system user that PostgreSQL runs as. switched is false when that is simply us.
type account struct {
	name     string
	uid, gid int
	switched bool
}

// chooseAccount returns us for an ordinary user. For root it returns the owner of an existing cluster (a
// PostgreSQL user installed later must not lock us out of a cluster made by nobody), else the first of
// candidates that exists. A uid without an entry in the user database is no use: initdb and postgres refuse it.
func chooseAccount(candidates []string, pgdata string) (account, error) {
	if os.Geteuid() != 0 {
		return account{name: userName(os.Geteuid()), uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	if uid, ok := ownerOf(pgdata); ok && uid != 0 {
		found, err := user.LookupId(strconv.Itoa(uid))
		if err != nil {
			return account{}, fmt.Errorf("%s belongs to user id %d, which this machine does not know; give it to an existing user with chown -R", pgdata, uid)
		}
		return accountOf(found)
	}
	for _, name := range candidates {
		if found, err := user.Lookup(name); err == nil {
			return accountOf(found)
		}
	}
	return account{}, fmt.Errorf("PostgreSQL refuses to run as root and none of the users %s exists; add one, or run as an ordinary user", strings.Join(candidates, ", "))
}

func accountOf(found *user.User) (account, error) {
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return account{}, fmt.Errorf("read user id of %s: %w", found.Username, err)
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return account{}, fmt.Errorf("read group id of %s: %w", found.Username, err)
	}
	return account{name: found.Username, uid: uid, gid: gid, switched: true}, nil
}

// userName is the name PostgreSQL will see for uid on a socket. Without cgo Go reads only /etc/passwd; id(1)
// asks the directory services as PostgreSQL does.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	out, err := exec.Command("id", "-un", id).Output()
	if err != nil {
		return id
	}
	return strings.TrimSpace(string(out))
}

func ownerOf(path string) (uid int, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// barrier returns the first directory on the way to path (path included, when it is a directory) that the
// account may not pass, or "". Components that do not exist yet are passable: we shall make them so. Only
// mode bits are read; an ACL that forbids more shows up as an error of initdb.
func (a account) barrier(path string) string {
	if !a.switched {
		return ""
	}
	for _, dir := range ancestors(path) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return "" // a file in the way is told about by whoever makes the directory
		}
		if err != nil {
			return dir
		}
		if info.IsDir() && !a.maySearch(info) {
			return dir
		}
	}
	return ""
}

func (a account) maySearch(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch mode := info.Mode().Perm(); {
	case int(stat.Uid) == a.uid:
		return mode&0o100 != 0
	case int(stat.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// ancestors lists path and the directories above it, outermost first, with the links of the existing part
// resolved: a link from a public place into a private home is as closed as the home.
func ancestors(path string) []string {
	existing, rest := path, ""
	for {
		if resolved, err := filepath.EvalSymlinks(existing); err == nil {
			path = filepath.Join(resolved, rest)
			break
		}
		parent := filepath.Dir(existing)
		if parent == existing {
			break
		}
		rest = filepath.Join(filepath.Base(existing), rest)
		existing = parent
	}
	var up []string
	for dir := path; ; dir = filepath.Dir(dir) {
		up = append([]string{dir}, up...)
		if dir == filepath.Dir(dir) {
			return up
		}
	}
}

// command prepares a PostgreSQL program to run as the account, in dir, in its own process group, so that a
// Ctrl-C in our terminal reaches us and not PostgreSQL under us. The environment is made anew: PGDATA, PGOPTIONS
// and their kin would bend the server, and TZ unset makes initdb search the whole time zone database.
func (a account) command(ctx context.Context, getenv func(string) string, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + filepath.Dir(program) + ":/usr/local/bin:/usr/bin:/bin",
		"HOME=" + dir, "USER=" + a.name, "LOGNAME=" + a.name, "TZ=UTC", "LC_ALL=C", "PWD=" + dir,
	}
	if libraries := getenv("LD_LIBRARY_PATH"); libraries != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+libraries)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// own hands a file or directory of PGDATA (or the socket directory) to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// ownTree hands a whole cluster over, for one that came back from a backup in root's name.
func (a account) ownTree(root string) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return a.own(path)
	})
}

// Package pgserver runs a private PostgreSQL server from installed binaries, which ends with the process that started it, and makes databases on it or on one
// that is running.
package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cds/runtime/db"
)

// startTimeout bounds how long a server may take to answer.
const startTimeout = 30 * time.Second

// ErrNoBinaries is the error of Start where PostgreSQL is not installed.
var ErrNoBinaries = errors.New("PostgreSQL is not installed: there is no initdb in /usr/lib/postgresql/*/bin or PATH")

// A Server is a running server. One that was started here listens on a socket in a private folder only.
type Server struct {
	dir   string
	base  *url.URL  // of a server that was running already
	stop  io.Closer // closing it ends the server
	ended chan struct{}

	mu    sync.Mutex // of admin
	admin *pgconn.PgConn
}

// Start makes a new cluster in a temporary folder and starts a server on it. The server ends with Close, or with this process however that
// ends. Its data are not safe against a crash of the machine.
func Start(ctx context.Context) (*Server, error) {
	initdb, postgres, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cds-pg-")
	if err != nil {
		return nil, err
	}
	cred, err := otherUser(dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := exec.CommandContext(ctx, initdb, "-D", data, "-U", "cds", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s := &Server{dir: dir, ended: make(chan struct{})}
	if err := s.run(postgres, data, cred); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = s.Close()
		return nil, fmt.Errorf("the server did not start: %w\n%s", err, log)
	}
	return s, nil
}

// watchdog runs the server and ends it, by its process id, when its own standard input is closed: that is when the process that holds the
// other end of the pipe closes it or is gone. Then it removes the folder.
const watchdog = `"$@" </dev/null >"$DIR/log" 2>&1 & pid=$!
cat >/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid
cd / && rm -rf "$DIR"`

func (s *Server) run(postgres, data string, cred *syscall.Credential) error {
	cmd := exec.Command("/bin/sh", "-c", watchdog, "sh", postgres, "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "autovacuum=off")
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "DIR="+s.dir)
	// A group of its own: an interrupt from the terminal is for this process, the pipe tells the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.stop = stdin
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(s.ended)
	}()
	return nil
}

// await connects as soon as the server answers.
func (s *Server) await(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, startTimeout)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := s.Connect(ctx, "postgres")
		if err == nil {
			s.admin = c
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// Attach connects to a server that is running, as a user who may make databases. Close only ends the connection. Errors have no password in them.
func Attach(ctx context.Context, text string) (*Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && u.Query().Get("host") == "" {
		return nil, errors.New("the connection URL cannot be read: expected postgres://user:password@host:port/database")
	}
	conn, err := pgconn.Connect(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("no connection to the database server at %s", u.Host)
	}
	return &Server{base: u, admin: conn}, nil
}

// Close ends the server and removes its data.
func (s *Server) Close() error {
	if s.base != nil {
		return s.admin.Close(context.Background())
	}
	err := s.stop.Close()
	<-s.ended
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Connect opens a bare connection to a database of the server.
func (s *Server) Connect(ctx context.Context, name string) (*pgconn.PgConn, error) {
	if s.base != nil {
		return pgconn.Connect(ctx, s.Config(name).URL)
	}
	return pgconn.Connect(ctx, "host="+s.dir+" user=cds dbname="+name+" sslmode=disable")
}

// Config says how to open a database of the server.
func (s *Server) Config(name string) db.Config {
	if s.base != nil {
		u := *s.base
		u.Path = "/" + name
		return db.Config{URL: u.String()}
	}
	return db.Config{Credentials: map[string]string{"host": s.dir, "user": "cds", "database": name, "sslmode": "disable"}}
}

// Create makes a database, empty or as a copy of another, and returns its name.
func (s *Server) Create(ctx context.Context, template string) (string, error) {
	if template == "" {
		template = "template0"
	}
	name := "t" + rand.Text()
	return name, s.exec(ctx, `CREATE DATABASE "`+name+`" TEMPLATE "`+template+`"`)
}

// Drop removes a database, ending the connections to it.
func (s *Server) Drop(ctx context.Context, name string) error {
	return s.exec(ctx, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)
}

func (s *Server) exec(ctx context.Context, sql string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.admin.Exec(ctx, sql).ReadAll()
	return err
}

// As says how to open a database of the server as another role, which is made if it is missing: one that may do nothing but what it is given.
func (s *Server) As(ctx context.Context, cfg db.Config, role string) (db.Config, error) {
	err := s.exec(ctx, `DO $$ BEGIN CREATE ROLE "`+role+`" LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	out := cfg
	out.Credentials = maps.Clone(cfg.Credentials)
	out.Credentials["user"] = role
	return out, err
}

// binaries finds the programs of the newest version.
func binaries() (initdb, postgres string, err error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	best := 0
	for _, d := range dirs {
		version, _ := strconv.Atoi(filepath.Base(filepath.Dir(d)))
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil && version > best {
			best, initdb, postgres = version, filepath.Join(d, "initdb"), filepath.Join(d, "postgres")
		}
	}
	if best > 0 {
		return initdb, postgres, nil
	}
	if initdb, err = exec.LookPath("initdb"); err == nil {
		postgres, err = exec.LookPath("postgres")
	}
	if err != nil {
		return "", "", ErrNoBinaries
	}
	return initdb, postgres, nil
}

// otherUser finds whom the server can run as, since it refuses root, and gives that user the folder. Nil is the user of this process.
func otherUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid)), os.Chmod(dir, 0o755)); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

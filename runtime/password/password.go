// Package password makes and checks hashes of passwords: argon2id in PHC form, and bcrypt of other systems.
//
// A hash costs memory and time on purpose, so how many are made at once is bounded for the whole process, and so is how many wait. A hash that asks
// for more than it should is refused before any work is done: whoever can write a hash could otherwise take the server's memory.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// MaxLength is the longest password in bytes. bcrypt looks at no more than 72 (MaxBcrypt).
const (
	MaxLength = 1024
	MaxBcrypt = 72
)

// None is a hash that no password fits. Checking it costs what checking a default one costs: do so where a user is unknown or has no password, so that
// time does not tell.
const None = "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgZml0cw$TmVpdGhlciBkb2VzIHRoaXMgb25lLCBldmVyLiAxMjM"

// Errors. ErrBusy says that too many hashes are wanted at once, or that the context ended while waiting: try again later.
var (
	ErrBusy   = errors.New("too many passwords are being checked")
	ErrLength = fmt.Errorf("a password has at most %d bytes", MaxLength)
	// ErrBcryptLength: bcrypt would leave the rest out of account.
	ErrBcryptLength = fmt.Errorf("a password of bcrypt has at most %d bytes", MaxBcrypt)
)

// noneSalt and noneKey are in None, and in what Params.None returns.
const (
	noneSalt = "no password fits"
	noneKey  = "Neither does this one, ever. 123"
)

// None is a hash that no password fits, which costs what others of these parameters cost.
func (p Params) None() string { return format(p, []byte(noneSalt), []byte(noneKey)) }

// Params are what a hash costs: memory in KiB, passes over it, lanes.
type Params struct {
	Memory, Time uint32
	Threads      uint8
}

// Default is what OWASP recommends: 19 MiB, 2 passes, 1 lane. It takes about 30 ms.
var Default = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

// Bounds of what a hash may ask for when it is checked, and of what may be configured.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 16
	maxWork    = 512 * 1024 // KiB times passes
	maxCost    = 14         // of bcrypt: about a second
	minSalt    = 8
	minKey     = 16
	maxSalt    = 64
	maxKey     = 64
	maxHash    = 512 // characters
)

const (
	saltLength = 16
	keyLength  = 32
)

// Check reports what is wrong with parameters that somebody configured; nil for none.
func (p Params) Check() error {
	switch {
	case p.Memory < 8*1024 || p.Memory > maxMemory:
		return fmt.Errorf("memory: %d KiB is out of range: expected 8192 to %d", p.Memory, maxMemory)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("time: %d passes is out of range: expected 1 to %d", p.Time, maxTime)
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("threads: %d is out of range: expected 1 to %d", p.Threads, maxThreads)
	case uint64(p.Memory)*uint64(p.Time) > maxWork:
		return fmt.Errorf("memory times time: %d KiB is too much: expected at most %d", uint64(p.Memory)*uint64(p.Time), maxWork)
	}
	return nil
}

// slots bounds the work of the whole process, as the memory is the process's; queue bounds who waits for it.
var (
	slots = make(chan struct{}, min(max(runtime.GOMAXPROCS(0), 1), 8))
	queue = make(chan struct{}, 128)
)

// enter waits for a slot. leave gives it back.
func enter(ctx context.Context) (leave func(), err error) {
	select {
	case queue <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots; <-queue }, nil
	case <-ctx.Done():
		<-queue
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// Hash returns the hash of a password at the default cost. Errors: ErrLength, ErrBusy.
func Hash(pw string) (string, error) { return Default.Hash(context.Background(), pw) }

// Hash returns the hash of a password, in PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash. Errors: ErrLength, ErrBusy.
func (p Params) Hash(ctx context.Context, pw string) (string, error) {
	if len(pw) > MaxLength {
		return "", ErrLength
	}
	leave, err := enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(pw), salt, p.Time, p.Memory, p.Threads, keyLength)
	return format(p, salt, key), nil
}

// Verify reports whether a password fits a hash, and whether the hash should be made anew since it costs less than the default or is bcrypt. A
// hash that is not understood, or asks for too much, fits nothing. It waits for its turn without end, but gives up at once (false) where too many wait.
func Verify(hash, pw string) (ok, rehash bool) {
	ok, rehash, err := Default.Verify(context.Background(), hash, pw)
	return ok && err == nil, rehash
}

// Verify reports whether a password fits a hash, and whether the hash should be made anew since it is not of these parameters. An error is ErrBusy: nothing
// was checked.
func (p Params) Verify(ctx context.Context, hash, pw string) (ok, rehash bool, err error) {
	if len(pw) > MaxLength {
		hash, pw = p.None(), "" // the same work, and no
	}
	if isBcrypt(hash) {
		ok, err = p.verifyBcrypt(ctx, hash, pw)
		return ok, ok, err
	}
	h, perr := parse(hash)
	fits := perr == nil
	if !fits {
		h = &phc{p, []byte(noneSalt), []byte(noneKey)}
	}
	leave, err := enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer leave()
	key := argon2.IDKey([]byte(pw), h.salt, h.Time, h.Memory, h.Threads, uint32(len(h.key)))
	ok = subtle.ConstantTimeCompare(key, h.key) == 1 && fits && string(h.key) != noneKey
	return ok, ok && (h.Params != p || len(h.key) < keyLength || len(h.salt) < saltLength), nil
}

func (p Params) verifyBcrypt(ctx context.Context, hash, pw string) (bool, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > maxCost {
		ok, _, err := p.Verify(ctx, p.None(), pw)
		return ok, err
	}
	leave, err := enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	// What is longer could only have been cut off when the hash was made.
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(pw)) == nil && len(pw) <= MaxBcrypt, nil
}

// Is reports whether a text has the form of a hash that Verify knows, rather than being a password itself.
func Is(s string) bool { return isBcrypt(s) || strings.HasPrefix(s, "$argon2id$") }

// Valid reports why a text of that form fits nothing; nil if it is a hash that Verify checks.
func Valid(s string) error {
	if isBcrypt(s) {
		cost, err := bcrypt.Cost([]byte(s))
		switch {
		case err != nil || len(s) != 60:
			return errors.New("is no bcrypt hash: 60 characters are expected, such as $2b$10$…")
		case cost > maxCost:
			return fmt.Errorf("has the cost %d: expected at most %d", cost, maxCost)
		}
		return nil
	}
	_, err := parse(s)
	return err
}

func isBcrypt(s string) bool {
	return len(s) > 4 && s[0] == '$' && s[1] == '2' && (s[2] == 'a' || s[2] == 'b' || s[2] == 'y') && s[3] == '$'
}

// bcryptCost is what bcrypt hashes cost that are made here: about 60 ms.
const bcryptCost = 10

// NoneBcrypt is a bcrypt hash that no password is known to fit: that of 32 random bytes that were thrown away.
const NoneBcrypt = "$2a$10$hTxOpCgEJnyWhNSDls7aZOlC6soV53YcnESU/.aDMGinHBlGR8Jdy"

// Bcrypt returns the bcrypt hash of a password, for systems that know no other. Errors: ErrBcryptLength, ErrBusy.
func Bcrypt(ctx context.Context, pw string) (string, error) {
	if len(pw) > MaxBcrypt {
		return "", ErrBcryptLength
	}
	leave, err := enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	b, err := bcrypt.GenerateFromPassword([]byte(pw), bcryptCost)
	return string(b), err
}

package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A phc is a hash taken apart.
type phc struct {
	Params
	salt, key []byte
}

// b64 is PHC's form of bytes: the usual alphabet, without padding, and nothing but one way to write a value.
var b64 = base64.RawStdEncoding.Strict()

func format(p Params, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.Memory, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// parse reads a hash in PHC form. Errors say what was expected, and nothing of the hash.
func parse(s string) (*phc, error) {
	if len(s) > maxHash {
		return nil, fmt.Errorf("is longer than %d characters", maxHash)
	}
	part := strings.Split(s, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" {
		return nil, errors.New("is no argon2id hash: $argon2id$v=19$m=…,t=…,p=…$salt$hash is expected")
	}
	if part[2] != "v=19" {
		return nil, errors.New("has another version of argon2 than 19")
	}
	h := &phc{}
	if err := h.params(part[3]); err != nil {
		return nil, err
	}
	var err1, err2 error
	h.salt, err1 = b64.DecodeString(part[4])
	h.key, err2 = b64.DecodeString(part[5])
	switch {
	case err1 != nil || err2 != nil || strings.ContainsAny(s, "\r\n"):
		return nil, errors.New("has a salt or a hash that is no base64 without padding")
	case len(h.salt) < minSalt || len(h.salt) > maxSalt:
		return nil, fmt.Errorf("has a salt of %d bytes: expected %d to %d", len(h.salt), minSalt, maxSalt)
	case len(h.key) < minKey || len(h.key) > maxKey:
		return nil, fmt.Errorf("has a hash of %d bytes: expected %d to %d", len(h.key), minKey, maxKey)
	}
	return h, nil
}

// params reads m=…,t=…,p=… and bounds what they ask for.
func (h *phc) params(s string) error {
	list := strings.Split(s, ",")
	if len(list) != 3 {
		return errors.New("needs the parameters m, t and p")
	}
	var n [3]uint64
	for i, name := range [...]string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(list[i], name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(v, 10) != digits {
			return errors.New("needs the parameters m, t and p, in this order, as whole numbers")
		}
		n[i] = v
	}
	m, t, p := n[0], n[1], n[2]
	switch {
	case p < 1 || p > maxThreads || m < 8*p || t < 1:
		return errors.New("has parameters that argon2 does not allow")
	case m > maxMemory || t > maxTime || m*t > maxWork:
		return fmt.Errorf("asks for too much: %d KiB and %d passes; expected at most %d KiB and %d passes, and %d for their product", m, t, maxMemory, maxTime, maxWork)
	}
	h.Memory, h.Time, h.Threads = uint32(m), uint32(t), uint8(p)
	return nil
}

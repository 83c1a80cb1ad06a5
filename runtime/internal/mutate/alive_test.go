package mutate

// All mutants are in one build: a variable of the process says which of them is alive. So code is compiled once, and each mutant costs only the tests that
// could notice it. Which could is found out before: with CDS_MUTANTS_SEEN, the number of each mutant that would have changed a value or left out a statement is
// appended to that file. A condition that a test only ever finds true is not changed by the mutant that is always true.
const helpers = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var mAlive, _ = strconv.Atoi(os.Getenv("CDS_MUTANT"))

var mLog = func() *os.File {
	if name := os.Getenv("CDS_MUTANTS_SEEN"); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		return f
	}
	return nil
}()

var mSeen [%d]atomic.Bool

func mNote(n int) {
	if !mSeen[n].Load() && !mSeen[n].Swap(true) {
		mLog.WriteString(strconv.Itoa(n) + "\n")
	}
}

// mB is v, or true for mutant n and false for n+1.
func mB(n int, v bool) bool {
	if mLog != nil {
		if v {
			mNote(n + 1)
		} else {
			mNote(n)
		}
	}
	return (v || mAlive == n) && mAlive != n+1
}

// mT is v, or true for mutant n.
func mT(n int, v bool) bool {
	if mLog != nil && !v {
		mNote(n)
	}
	return v || mAlive == n
}

// mF is v, or false for mutant n.
func mF(n int, v bool) bool {
	if mLog != nil && v {
		mNote(n)
	}
	return v && mAlive != n
}

// mN is v, or its contrary.
func mN(n int, v bool) bool {
	if mLog != nil {
		mNote(n)
	}
	return v != (mAlive == n)
}

// mK says whether a statement is kept.
func mK(n int) bool {
	if mLog != nil {
		mNote(n)
	}
	return mAlive != n
}

// mZ is v, or the zero value: no error, no condition.
func mZ[T any](n int, v T) (out T) {
	if mLog != nil {
		mNote(n)
	}
	if mAlive == n {
		return out
	}
	return v
}

// mAnd is f, or what returns the first operand for mutant n and the second for n+1.
func mAnd[T any](n int, f func(a, b T) T) func(a, b T) T {
	if mLog != nil {
		mNote(n)
		mNote(n + 1)
	}
	switch mAlive {
	case n:
		return func(a, _ T) T { return a }
	case n + 1:
		return func(_, b T) T { return b }
	}
	return f
}
`

//go:build race

package serve_test

// raceAllocs are the allocations that the race detector adds to a request: under it, a sync.Pool drops a part of what it is given, at random.
const raceAllocs = 6

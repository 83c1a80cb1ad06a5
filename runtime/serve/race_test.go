//go:build race

package serve_test

// raceAllocs are the allocations that the race detector adds to a request.
const raceAllocs = 6

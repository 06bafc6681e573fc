// Package ko pins the release of ko that the benchmark compares with. It is a
// module of its own, apart from internal/tools: ko's dependencies would raise
// those of the programs that the tests build, and only who measures needs it.
package ko

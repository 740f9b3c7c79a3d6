// Package docscheck has the tests that hold README.md, docs and the Dockerfile to the
// program: every table of flags, metrics, labels, outcomes and reasons, every name that
// the text mentions, and every link. They also hold the program to what was promised to stay
// as it is.
package docscheck

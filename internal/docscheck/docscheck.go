// Package docscheck has the tests that hold README.md, docs and the Dockerfile to the
// program: every table of flags, metrics, labels, outcomes and reasons, every name that
// the text mentions, and every link.
package docscheck

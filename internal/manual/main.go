// Command manual prints the manual page, made from the program's flags and commands:
//
//	go run ./internal/manual VERSION DATE
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: manual VERSION DATE")
		os.Exit(2)
	}
	os.Clearenv() // it has the default of a flag
	if err := write(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

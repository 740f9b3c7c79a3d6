//go:build !linux

package hold

import (
	"errors"
	"os"
)

// Locks of open file descriptions are Linux's. Elsewhere Defib announces nothing.

func lockByte(*os.File, int64) error { return errors.ErrUnsupported }

func isByteLocked(*os.File, int64) (bool, error) { return false, errors.ErrUnsupported }

// Package webconfig reads the file of --web.config.file. Exporter-toolkit, which obeys
// it, does not say what it has read.
package webconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"

	"defib/internal/beside"
)

// timeout is how long the file system may take.
const timeout = 2 * time.Second

// Late says that the file was not read before a context ended.
func Late(context.Context) error { return errors.New("the file system does not respond") }

// Validate returns why the toolkit cannot use the file, or cannot read it in time.
func Validate(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := beside.Run(ctx, func() (none struct{}, err error) { return none, toolkit.Validate(file) }, Late)
	return err
}

// Read returns what the file says now. Without a file, "", that is nothing. It takes as long
// as the file system does.
func Read(file string) (toolkit.Config, error) {
	var config toolkit.Config
	if file == "" {
		return config, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return config, err
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return config, fmt.Errorf("%s: %w", file, err)
	}
	return config, nil
}

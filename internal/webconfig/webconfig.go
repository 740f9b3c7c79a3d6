// Package webconfig reads the file of --web.config.file. Exporter-toolkit, which obeys
// it, does not say what it has read.
package webconfig

import (
	"fmt"
	"os"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// Read returns what the file says now. Without a file, "", that is nothing.
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

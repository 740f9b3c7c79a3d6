package bench

import (
	"os"
	"os/exec"
	"testing"

	"defib/e2e/harness"
)

// measureSize builds what is released and weighs it. The image holds the binary
// and the licence and nothing else.
func measureSize(b *testing.B, t *table) {
	if out, err := exec.CommandContext(b.Context(), harness.Repository("scripts/build.sh")).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	size := 0.0
	for _, file := range []string{"defib", "LICENSE"} {
		info, err := os.Stat(harness.Repository(file))
		if err != nil {
			b.Fatal(err)
		}
		size += float64(info.Size()) / 1e6
		if file == "defib" {
			*t = append(*t, row{what: "binary", measured: size, unit: "MB", budget: budget{text: "16 MB", more: 16}})
		}
	}
	*t = append(*t, row{what: "image", measured: size, unit: "MB", budget: budget{text: "16 MB", more: 16}})
}

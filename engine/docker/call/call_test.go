package call

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsAreThoseOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = m[2]
	}
	if diff := cmp.Diff(Requests, documented); diff != "" {
		t.Errorf("the calls (-) are not those of docs/privileges.md (+):\n%s", diff)
	}
}

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"time"
)

//go:embed assets
var assets embed.FS

// served are the files that the page asks for.
var served = []string{"style.css", "page.js", "icon.svg", "icon-need.svg"}

// build names the content of all of them: it is part of their addresses, so that
// browsers may keep them for as long as they like.
var build = func() string {
	sum := sha256.New()
	for _, name := range served {
		sum.Write(asset(name))
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6])
}()

// asset is the content of an embedded file; nil if there is none.
func asset(name string) []byte {
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return nil
	}
	return content
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content := asset(name)
	if content == nil || name == "page.html" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+build+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == build {
		h.Set("Cache-Control", "max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

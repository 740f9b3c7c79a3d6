package docker

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/internal/notation"
	"defib/engine/internal/store"
)

var (
	oldImage = "sha256:" + strings.Repeat("0", 64)
	newImage = "sha256:" + strings.Repeat("1", 64)
)

func TestFreshnessByTheSpellingsOfAName(t *testing.T) {
	digest := "sha256:" + strings.Repeat("d", 64)
	known := answer.ImageNames([]image.Summary{
		{ID: oldImage, RepoTags: []string{"<none>:<none>"}, RepoDigests: []string{"<none>@<none>"}},
		{ID: newImage, RepoTags: []string{"nginx:latest", "nginx:1.25", "localhost/web:latest", "quay.io/org/app:v1", "registry:5000/app:latest"}, RepoDigests: []string{"nginx@" + digest}},
	})
	for name, want := range map[string]engine.ImageStatus{
		"nginx": engine.ImageOutdated, "nginx:1.25": engine.ImageOutdated, "library/nginx": engine.ImageOutdated, "docker.io/library/nginx:latest": engine.ImageOutdated,
		"index.docker.io/library/nginx": engine.ImageOutdated, "localhost/web": engine.ImageOutdated, "quay.io/org/app:v1": engine.ImageOutdated, "registry:5000/app": engine.ImageOutdated,
		"nginx@" + digest: engine.ImageOutdated, "nginx:gone@" + digest: engine.ImageOutdated,

		"nginx:1.26": engine.ImageUnknown, "quay.io/org/app": engine.ImageUnknown, "web": engine.ImageUnknown,
		oldImage: engine.ImageUnknown, newImage: engine.ImageUnknown, newImage[7:]: engine.ImageUnknown, newImage[7:19]: engine.ImageUnknown,
		"nginx@" + oldImage: engine.ImageUnknown, "": engine.ImageUnknown, "<none>:<none>": engine.ImageUnknown, "No:Name:At all": engine.ImageUnknown,
	} {
		if got := store.ImageStatusOf(known, &engine.Container{ImageName: notation.Image(name), ImageID: oldImage}); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
		if want == engine.ImageOutdated {
			want = engine.ImageCurrent
		}
		if got := store.ImageStatusOf(known, &engine.Container{ImageName: notation.Image(name), ImageID: newImage}); got != want {
			t.Errorf("%q, of the new image: %v, want %v", name, got, want)
		}
	}
}

// putOf adds a running container of an image, without a word of it.
func (f *fakeEngine) putOf(name, imageName, imageID string) string {
	id := f.put(name)
	f.change(id, func(c *container.InspectResponse) { c.Config.Image, c.Image = imageName, imageID })
	return id
}

// point makes a name mean an image; no name leaves the image without one.
func (f *fakeEngine) point(name, imageID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.images {
		f.images[i].RepoTags = nil
	}
	line := image.Summary{ID: imageID}
	if name != "" {
		line.RepoTags = []string{name}
	}
	f.images = append(f.images, line)
}

func (f *fakeEngine) emitImage(action events.Action, imageID string) {
	f.announce(events.Message{Type: events.ImageEventType, Action: action, TimeNano: f.now().UnixNano(), Actor: events.Actor{ID: imageID}})
}

// is waits until nothing but time can change anything, and then checks what the
// snapshot says.
func (w *watchedEngine) is(t *testing.T, when string, want map[string]engine.ImageStatus) {
	t.Helper()
	synctest.Wait()
	got := map[string]engine.ImageStatus{}
	for _, c := range w.Snapshot().Containers {
		got[c.Name] = c.ImageStatus
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s, -want +got:\n%s", when, d)
	}
}

func TestImageEventsTellWhatIsOutdated(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.point("web:latest", oldImage)
		f.putOf("web", "web", oldImage)
		f.putOf("byid", oldImage, oldImage)
		w := connectedInProcess(t, f)
		w.is(t, "at first", map[string]engine.ImageStatus{"web": engine.ImageCurrent, "byid": engine.ImageUnknown})

		f.point("web:latest", newImage)
		f.emitImage("pull", "web:latest")
		f.emitImage("tag", newImage)
		time.Sleep(store.ImagesSettle)
		w.is(t, "after a pull", map[string]engine.ImageStatus{"web": engine.ImageOutdated, "byid": engine.ImageUnknown})
		if n := f.asked("images"); n != 2 {
			t.Errorf("the images were listed %d times, want once for both events and once before", n)
		}

		fresh := f.putOf("web", "web", newImage)
		f.destroy(w.Snapshot().Find("web").ID)
		f.emit(fresh, "create")
		w.is(t, "created anew", map[string]engine.ImageStatus{"web": engine.ImageCurrent, "byid": engine.ImageUnknown})

		f.point("", newImage)
		f.emitImage("untag", newImage)
		time.Sleep(store.ImagesSettle)
		w.is(t, "without the name", map[string]engine.ImageStatus{"web": engine.ImageUnknown, "byid": engine.ImageUnknown})

		before := f.asked("images")
		time.Sleep(store.ImagesEvery)
		synctest.Wait()
		if n := f.asked("images") - before; n != 1 {
			t.Errorf("in an hour without news they were listed %d times, want once", n)
		}
		if n := metric(t, w.Engine, "defib_engine_events_total"); n != 2 {
			t.Errorf("%v container events, want 2", n)
		}
	})
}

// BuildKit announces nothing on older engines: then a new container is the first
// sign of its image.
func TestContainerOfAnImageMadeWithoutAWordIsNotOutdated(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.point("web:latest", oldImage)
		f.putOf("old", "web", oldImage)
		w := connectedInProcess(t, f)
		w.is(t, "at first", map[string]engine.ImageStatus{"old": engine.ImageCurrent})
		f.point("web:latest", newImage)
		f.emit(f.putOf("new", "web", newImage), "create")
		w.is(t, "at once", map[string]engine.ImageStatus{"old": engine.ImageCurrent, "new": engine.ImageUnknown})
		time.Sleep(store.ImagesSettle)
		w.is(t, "soon", map[string]engine.ImageStatus{"old": engine.ImageOutdated, "new": engine.ImageCurrent})
	})
}

func TestListOfImagesThatEventsHaveOvertakenIsAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.point("web:latest", oldImage)
		f.putOf("web", "web", newImage)
		f.on("images", func(w http.ResponseWriter, r *http.Request) {
			stale := append([]image.Summary{}, f.images...)
			f.point("web:latest", newImage)
			f.emitImage("tag", newImage)
			time.Sleep(time.Millisecond) // the event is faster
			f.write(w, stale)
			f.on("images", nil)
		})
		w := connectedInProcess(t, f)
		time.Sleep(10 * time.Millisecond)
		w.is(t, "overtaken", map[string]engine.ImageStatus{"web": engine.ImageUnknown})
		time.Sleep(store.ImagesSettle)
		w.is(t, "soon", map[string]engine.ImageStatus{"web": engine.ImageCurrent})
	})
}

func TestImagesThatMayNotBeListedAreNoFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.point("web:latest", newImage)
		f.putOf("web", "web", oldImage)
		f.on("images", answers(http.StatusForbidden, "not allowed"))
		w := connectedInProcess(t, f)
		for range 3 {
			f.emitImage("tag", newImage)
			time.Sleep(2 * store.ImagesSettle)
		}
		w.is(t, "refused", map[string]engine.ImageStatus{"web": engine.ImageUnknown})
		if n := f.asked("images"); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		f.drop(false)
		time.Sleep(reconnectMost)
		synctest.Wait()
		if lines := w.log.lines("level=INFO", "listing images is not allowed", "not allowed"); len(lines) != 1 || f.asked("images") != 2 {
			t.Errorf("said %d times, asked %d times", len(lines), f.asked("images"))
		}
		if n := metricFailures(t, w.Engine, call.Images); n != 0 {
			t.Errorf("%v failures", n)
		}
		f.on("images", nil)
		time.Sleep(store.ImagesEvery)
		w.is(t, "allowed", map[string]engine.ImageStatus{"web": engine.ImageOutdated})
		if len(w.log.lines("listing images works again")) != 1 {
			t.Error("no word that they are listed again")
		}
	})
}

func TestImagesThatCannotBeListedAreUnknownUntilTheyCan(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.point("web:latest", newImage)
		f.putOf("web", "web", oldImage)
		w := connectedInProcess(t, f)
		w.is(t, "at first", map[string]engine.ImageStatus{"web": engine.ImageOutdated})
		f.on("images", answers(http.StatusInternalServerError, "no"))
		f.emitImage("tag", newImage)
		time.Sleep(store.ImagesSettle + store.ImagesRetry)
		w.is(t, "in vain", map[string]engine.ImageStatus{"web": engine.ImageUnknown})
		if n := metricFailures(t, w.Engine, call.Images); n != 2 || len(w.log.lines("level=WARN", "cannot list images")) != 1 {
			t.Errorf("%v failures, want 2 and one word of them", n)
		}
		f.on("images", hangs)
		time.Sleep(store.ImagesRetry)
		if !w.Snapshot().Connected {
			t.Error("it is not connected")
		}
		f.on("images", nil)
		time.Sleep(store.ImagesRetry + 10*time.Second)
		w.is(t, "again", map[string]engine.ImageStatus{"web": engine.ImageOutdated})
	})
}

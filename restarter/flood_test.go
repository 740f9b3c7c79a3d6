package restarter

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// ask posts a body and returns the whole answer.
func ask(h http.Handler, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, caller(func(r *http.Request) {
		*r = *httptest.NewRequestWithContext(r.Context(), r.Method, "http://localhost/webhook", strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
	}))
	return rec
}

// many is a payload of n times the same alert.
func many(n int, alert string) string {
	return `{"version":"4","alerts":[` + strings.TrimSuffix(strings.Repeat(alert+",", n), ",") + "]}"
}

func TestARequestHoldsAThousandAlertsAndNotOneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := webhookHarness(t, usual())
		for n, want := range map[int]int{0: 200, 1: 200, maxAlerts: 200, maxAlerts + 1: 413, 340_000: 413} {
			rec := ask(h, many(n, "{}"))
			if rec.Code != want {
				t.Errorf("%d alerts: status %d, want %d", n, rec.Code, want)
			}
			if want == 413 && (!strings.Contains(rec.Body.String(), "max_alerts") || rec.Body.Len() > 500) {
				t.Errorf("%d alerts: answer %.500s", n, rec.Body)
			}
		}
	})
}

func TestAnyNumberOfAlertsIsReadInLittleMemory(t *testing.T) {
	body := []byte(many(340_000, "{}"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decode(body)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("reading it took %d bytes, want 2 MiB at most", used)
	}
}

func TestFewLargeBodiesAreReadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := webhookHarness(t, usual(), up("a1", "web"))
		for range maxLarge {
			h.large <- struct{}{} // one is being read
		}
		large := post(t, h, firing("container", "web", "padding", strings.Repeat("x", largeBody)))
		synctest.Wait()
		select {
		case <-large.done:
			t.Error("one more is read meanwhile")
		default:
		}
		post(t, h, firing("container", "web")).want(200, Restarted) // a small one does not wait
		<-h.large
		large.want(200, Outcome(TooYoung))
	})
}

func TestWhatASenderChoseIsRepeatedOnlyInPart(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	text := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for name, alert := range map[string]string{
		"fingerprint": `{"fingerprint":` + text(long) + `}`,
		"alertname":   `{"labels":{"alertname":` + text(long) + `}}`,
		"container":   `{"status":"firing","labels":{"heal":"restart","container":` + text(long) + `}}`,
		"id":          `{"status":"firing","labels":{"heal":"restart","id":` + text(strings.Repeat("a", 100_000)) + `}}`,
		"instance":    `{"labels":{"instance":"a"}},{"labels":{"instance":` + text(long) + `}}`,
		"version":     "{}",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := webhookHarness(t, usual())
				body := many(1, alert)
				if name == "version" {
					body = `{"version":` + text(long) + `}`
				}
				before := w.log.Len()
				if n := ask(h, body).Body.Len(); n > 1500 {
					t.Errorf("the answer has %d bytes", n)
				}
				if n := w.log.Len() - before; n > 1500 {
					t.Errorf("the log grew by %d bytes", n)
				}
			})
		})
	}
}

func TestTheSameIsLoggedOnceForARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		a := firing("container", "nobody")
		alerts := []Alert{firing("container", "web")}
		for range 500 {
			alerts = append(alerts, a)
		}
		<-post(t, h, alerts...).done
		if n := strings.Count(w.log.String(), `msg="alert answered"`); n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, &w.log)
		}
		if want := "alert=Sick container=\"\" outcome=not_found"; !strings.Contains(w.log.String(), want) || !strings.Contains(w.log.String(), " count=500\n") {
			t.Errorf("no line has %s and count=500:\n%s", want, &w.log)
		}
	})
}

func TestARequestMakesFewLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		var alerts []Alert
		for i := range maxAlerts {
			alerts = append(alerts, firing("alertname", fmt.Sprint(i), "container", "nobody"))
		}
		before := strings.Count(w.log.String(), "\n")
		<-post(t, h, alerts...).done
		if n := strings.Count(w.log.String(), "\n") - before; n > maxLines+1 {
			t.Errorf("%d lines", n)
		}
		if want := fmt.Sprintf(`msg="more alerts answered" peer=127.0.0.1:1234 count=%d`, maxAlerts-maxLines); !strings.Contains(w.log.String(), "level=WARN "+want) {
			t.Errorf("the log does not say %s", want)
		}
	})
}

func TestTheJournalNamesSomeOfManyAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		var alerts []Alert
		for i := range maxAlerts {
			alerts = append(alerts, firing("alertname", fmt.Sprint(i), "container", "web"))
		}
		<-post(t, h, alerts...).done
		if got := w.Report().Actions; len(got) != 1 || len(got[0].Sources) != maxAskers {
			t.Errorf("want one action with %d askers", maxAskers)
		}
	})
}

func TestLaw10AlertsDoNotPileUpBesideAnActionThatHangs(t *testing.T) {
	r := &Restarter{firings: firings{}}
	for i := range 3 * maxFirings / 100 {
		qs := make([]*request, 100)
		for j := range qs {
			qs[j] = &request{key: firingKey{byte(i), byte(i >> 8), byte(j)}, answered: true}
		}
		r.enqueue(noon, qs)
	}
	if n := len(r.pending); n > maxFirings+200 {
		t.Errorf("%d requests are kept, whose callers have left", n)
	}
}

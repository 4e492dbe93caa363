package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visitor is a browser without JavaScript.
type visitor struct {
	http.Client
	home string
}

func visit(t *testing.T, home string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{Client: http.Client{Jar: jar}, home: strings.TrimSuffix(home, "/")}
}

func (v *visitor) get(t *testing.T, path string) (status int, page string) {
	t.Helper()
	response, err := v.Get(v.home + path)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func (v *visitor) post(t *testing.T, path string, fields ...string) (status int, page string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	response, err := v.PostForm(v.home+path, form)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) (int, string) {
	t.Helper()
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

func (v *visitor) signIn(t *testing.T, who signIn) {
	t.Helper()
	if status, page := v.post(t, "/sign-in", "email", who.Email, "password", who.Password); status != 200 || strings.Contains(page, `name="password"`) {
		t.Fatalf("sign-in as %s: %d\n%s", who.Email, status, page)
	}
}

// text is a page's words without its tags.
func text(page string) string {
	page = regexp.MustCompile(`(?s)<(script|style|svg).*?</(script|style|svg)>`).ReplaceAllString(page, " ")
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(page), " ")
}

func TestTheConsoleShowsTenAnsweredAndOneRefused(t *testing.T) {
	t.Parallel()
	_, f := demo(t, filepath.Join(t.TempDir(), "data"), "--empty")
	for range 11 {
		post(t, f, f.APIKey, sentence)
	}
	v := visit(t, f.ConsoleURL)
	v.signIn(t, f.Customer)
	limit := time.After(patience)
	for {
		_, page := v.get(t, "/usage")
		words := text(page)
		if regexp.MustCompile(`Requests 10 `).MatchString(words) && regexp.MustCompile(`Refused 1 `).MatchString(words) {
			break
		}
		select {
		case <-limit:
			t.Fatalf("the usage page says %s", words)
		case <-time.After(50 * time.Millisecond): // the journal is drained a few times a second
		}
	}
	if _, page := v.get(t, "/overview"); !strings.Contains(text(page), "10 of 1,000") {
		t.Errorf("the overview says %s", text(page))
	}
}

func TestAKeyMadeInTheConsoleWorksAtOnceAndStopsAtOnce(t *testing.T) {
	t.Parallel()
	_, f := demo(t, filepath.Join(t.TempDir(), "data"), "--empty")
	v := visit(t, f.ConsoleURL)
	v.signIn(t, f.Customer)
	_, form := v.get(t, "/keys/new")
	fields := hidden(form)
	status, page := v.post(t, "/keys", append(fields, "name", "from a form", "mode", "live", "expires", "never")...)
	key := regexp.MustCompile(`th_live_[0-9A-Za-z]{36}`).FindString(page)
	if status != 200 || key == "" {
		t.Fatalf("creating a key: %d %s", status, text(page))
	}
	if response, body := post(t, f, key, sentence); response.StatusCode != 200 {
		t.Errorf("the new key: %s %s", response.Status, body)
	}
	_, list := v.get(t, "/keys")
	if strings.Contains(list, key) {
		t.Error("the list shows the key's text")
	}
	id := regexp.MustCompile(`/keys/(key_[0-9A-Z]{26})/revoke`).FindStringSubmatch(list)
	if id == nil {
		t.Fatalf("no key can be revoked on %s", text(list))
	}
	_, confirm := v.get(t, "/keys/"+id[1]+"/revoke")
	if status, page := v.post(t, "/keys/"+id[1]+"/revoke", hidden(confirm)...); status != 200 {
		t.Fatalf("revoking: %d %s", status, text(page))
	}
	if response, _ := post(t, f, key, sentence); response.StatusCode != 401 {
		t.Errorf("the revoked key: %s", response.Status)
	}
}

// hidden returns the hidden fields of a page's main form.
func hidden(page string) []string {
	var fields []string
	for _, input := range regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`).FindAllString(page, -1) {
		name := regexp.MustCompile(`name="([^"]*)"`).FindStringSubmatch(input)
		value := regexp.MustCompile(`value="([^"]*)"`).FindStringSubmatch(input)
		if name != nil && value != nil {
			fields = append(fields, name[1], value[1])
		}
	}
	return fields
}

func TestACustomerSeesNothingOfOperatorsAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	_, f := demo(t, filepath.Join(t.TempDir(), "data"), "--empty")
	v := visit(t, f.ConsoleURL)
	if status, page := v.get(t, "/customers"); status != 200 || !strings.Contains(page, `name="password"`) {
		t.Errorf("without a sign-in: %d %s", status, text(page))
	}
	v.signIn(t, f.Customer)
	if status, _ := v.get(t, "/customers"); status != 403 {
		t.Errorf("a customer on the operators' page: %d, want 403", status)
	}
	o := visit(t, f.ConsoleURL)
	o.signIn(t, f.Operator)
	status, page := o.get(t, "/customers")
	for _, name := range []string{"Lighthouse Labs", "Meridian Analytics", "Harbour &amp; Sons"} {
		if status != 200 || !strings.Contains(page, name) {
			t.Errorf("the operator's list (%d) lacks %s", status, name)
		}
	}
	if status, _ := o.get(t, "/keys"); status != 403 {
		t.Errorf("an operator on a customer's keys: %d, want 403", status)
	}
	if status, page := v.post(t, "/sign-out"); status != 200 || !strings.Contains(page, `name="password"`) {
		t.Errorf("signing out: %d", status)
	}
	if _, page := v.get(t, "/overview"); !strings.Contains(page, `name="password"`) {
		t.Error("signed out, but the overview is still shown")
	}
}

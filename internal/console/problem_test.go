package console

import (
	"errors"
	"fmt"
	"html"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestOperatorsLearnThatTheNewestConfigurationIsNotInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const title = "The newest configuration file is not in force"
	safe := "tollhouse.yml:12:5: plans.pro: unknown field `prize`"
	operator, customer := w.as("viewer@house.example"), w.as("owner@acme.example")
	paths := []string{"/customers", "/customers/" + w.customer.ID, "/nowhere"}

	for _, path := range paths {
		if body := operator.get(path).Body.String(); strings.Contains(body, title) {
			t.Errorf("%s warns of a configuration that is in force", path)
		}
	}
	w.setProblem(fmt.Errorf("reload: %w", &toll.Error{Code: toll.Invalid, Message: safe, Cause: errors.New("/etc/secret")}))
	for _, path := range paths {
		for _, b := range []*browser{operator, operator.htmx("main#content")} {
			body := html.UnescapeString(b.get(path).Body.String())
			if strings.Count(body, title) != 1 || strings.Count(body, safe) != 1 || strings.Contains(body, "/etc/") {
				t.Errorf("%s does not say once, and safely, what is wrong", path)
			}
		}
		if strings.Index(operator.get(path).Body.String(), title) > strings.Index(operator.get(path).Body.String(), "<h1") {
			t.Errorf("%s says it below its title", path)
		}
	}
	if body := operator.htmx("div#results").get("/customers").Body.String(); strings.Contains(body, title) {
		t.Error("a part of the page repeats it")
	}
	if body := operator.htmx("dialog#dialog").get("/customers/" + w.customer.ID + "/suspend").Body.String(); strings.Contains(body, title) {
		t.Error("the dialog repeats it")
	}
	for _, path := range []string{"/overview", "/plan", "/customers"} {
		if body := customer.get(path).Body.String(); strings.Contains(body, title) || strings.Contains(body, "prize") {
			t.Errorf("a customer reads of it at %s", path)
		}
	}
	w.setProblem(errors.New("open /etc/secret: permission denied"))
	if body := operator.get("/customers").Body.String(); !strings.Contains(body, title) || !strings.Contains(body, "The log says why.") || strings.Contains(body, "/etc/") {
		t.Error("an error of the inside is shown, or not said")
	}
	w.setProblem(nil)
	if body := operator.get("/customers").Body.String(); strings.Contains(body, title) {
		t.Error("it warns of what was mended")
	}
}

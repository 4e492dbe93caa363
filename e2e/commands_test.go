package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

type customer struct{ ID, Name, Plan, Status string }

type key struct{ ID, Key, State, Name string }

func TestCommandsWorkBesideARunningServerAtOnce(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, f := demo(t, data, "--empty")
	commands(t, data, func(text string, want int) {
		t.Helper()
		if response, body := post(t, f, text, sentence); response.StatusCode != want {
			t.Errorf("a call with the key: %s %s, want %d", response.Status, body, want)
		}
	})
}

func TestCommandsWorkOnTheDatabaseWithoutAServer(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, _ := demo(t, data, "--empty")
	if status := p.interrupt(t); status != 0 {
		t.Fatalf("exit %d", status)
	}
	commands(t, data, func(string, int) {})
}

// commands goes through a customer's life; called tells what its key is worth.
func commands(t *testing.T, data string, called func(key string, want int)) {
	t.Helper()
	c := ask[customer](t, "customer", "create", "--data", data, "--name", "ACME", "--plan", "pro")
	if !strings.HasPrefix(c.ID, "cus_") || c.Plan != "pro" || c.Status != "active" {
		t.Fatalf("created %+v", c)
	}
	k := ask[key](t, "key", "create", "--data", data, "--customer", c.ID, "--name", "ci")
	if !strings.HasPrefix(k.Key, "th_live_") || len(k.Key) != 44 {
		t.Fatalf("the key is %q", k.Key)
	}
	called(k.Key, 200)
	rolled := ask[key](t, "key", "roll", k.ID, "--data", data, "--overlap", "1h")
	called(k.Key, 200)
	called(rolled.Key, 200)
	ask[key](t, "key", "revoke", k.ID, "--data", data)
	if out, _, status := tollhouse(t, "key", "revoke", k.ID, "--data", data); status != 0 || !strings.Contains(out, "was revoked already, at ") {
		t.Errorf("revoked twice: exit %d, %q", status, out)
	}
	called(k.Key, 401)
	called(rolled.Key, 200)
	if line := refused(t, 1, "key", "create", "--data", data, "--customer", c.ID, "--name", "odd", "--service", "nerr"); !strings.Contains(line, "ner.") {
		t.Errorf("a key for no service: %q", line)
	}
	if line := refused(t, 1, "usage", "show", "--data", data, "--customer", "cus_nobody"); !strings.Contains(line, "customer") {
		t.Errorf("usage of nobody: %q", line)
	}
	if moved := ask[customer](t, "customer", "plan", c.ID, "payg", "--data", data); moved.ID != c.ID || moved.Plan != "payg" {
		t.Errorf("moved to another plan: %+v", moved)
	}
	if line := refused(t, 1, "customer", "plan", c.ID, "pyg", "--data", data); !strings.Contains(line, "payg") {
		t.Errorf("a plan that is not there: %q", line)
	}
	called(rolled.Key, 200)
	list := ask[struct{ Keys []key }](t, "key", "list", "--data", data, "--customer", c.ID)
	if len(list.Keys) != 2 || list.Keys[0].State != "valid" || list.Keys[1].State != "revoked" {
		t.Errorf("keys: %+v", list.Keys)
	}
	customers := ask[struct{ Customers []customer }](t, "customer", "list", "--data", data, "--search", "acm")
	if len(customers.Customers) != 1 || customers.Customers[0].ID != c.ID {
		t.Errorf("customers: %+v", customers)
	}
	o := ask[struct{ ID, Email, Password string }](t, "operator", "create", "--data", data, "--email", "Ops@Example.com")
	if o.Email != "ops@example.com" || o.Password == "" {
		t.Errorf("operator: %+v", o)
	}
	if line := refused(t, 1, "operator", "create", "--data", data, "--email", "ops@example.com"); !strings.HasSuffix(line, "in use already. Take another.") {
		t.Errorf("the same address twice: %q", line)
	}
	if line := refused(t, 1, "customer", "create", "--data", data, "--name", "X", "--plan", "por"); !strings.Contains(line, `"pro"`) {
		t.Errorf("a plan that is not there: %q", line)
	}
	if line := refused(t, 1, "key", "revoke", "key_nobody", "--data", data); !strings.Contains(line, "key") {
		t.Errorf("a key that is not there: %q", line)
	}
}

func TestWrongCallsAreStatusTwoWithACure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"custmer"}, "customer"},
		{[]string{"customer", "creat"}, "create"},
		{[]string{"customer", "create", "--nam", "x"}, "--help"},
		{[]string{"customer", "create", "--plan", "pro"}, "--name"},
		{[]string{"key", "create", "--name", "x"}, "--customer"},
		{[]string{"customer", "plan", "pro"}, "cus_"},
		{[]string{"customer", "show"}, "customer list"},
		{[]string{"customer", "suspend", "ACME"}, "cus_"},
		{[]string{"key", "revoke"}, "key list"},
		{[]string{"key", "revoke", "th_live_x"}, "key_"},
		{[]string{"key", "list", "--customer", "ACME"}, "cus_"},
		{[]string{"key", "create", "--customer", "cus_1", "--name", "x", "--expires", "soon"}, "30d"},
		{[]string{"usage", "audit", "--period", "november"}, "2026-11"},
		{[]string{"usage", "settle", "--as", "free"}, "usage unknown"},
		{[]string{"usage", "settle", "01M7XCBXZN49DA2VRE8JP8VBFW"}, "--as"},
		{[]string{"usage", "settle", "01M7XCBXZN49DA2VRE8JP8VBFW", "--as", "paid"}, "billed or free"},
		{[]string{"usage", "settle", "01M7XCBXZN49DA2VRE8JP8VBFW", "--as", "billed", "--unit", "words"}, "words=123"},
		{[]string{"usage", "settle", "01M7XCBXZN49DA2VRE8JP8VBFW", "--as", "billed", "--unit", "words=1", "--unit", "words=2"}, "twice"},
		{[]string{"serve", "--lisen", "localhost:1"}, "--listen"},
		{[]string{"serve", "my.yml"}, "--config my.yml"},
		{[]string{"version", "extra"}, "--help"},
		{[]string{"serve", "--upstream", "http://localhost:1", "--config", "x.yml"}, "exclude"},
	} {
		if line := refused(t, 2, c.args...); !strings.Contains(line, c.want) {
			t.Errorf("tollhouse %v: %q does not hold %q", c.args, line, c.want)
		}
	}
	if line := refused(t, 1, "customer", "list"); !strings.Contains(line, "--config") {
		t.Errorf("no installation: %q", line)
	}
	if line := refused(t, 1, "serve"); !strings.Contains(line, "tollhouse.yml") {
		t.Errorf("no configuration: %q", line)
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"demo"}, {"serve"}, {"check"}, {"init"}, {"version"}, {"customer", "create"}, {"customer", "list"}, {"customer", "plan"},
		{"customer", "show"}, {"customer", "suspend"}, {"customer", "resume"}, {"customer", "override"}, {"reload"}, {"explain"}, {"plan", "rehearse"},
		{"key", "create"}, {"key", "list"}, {"key", "roll"}, {"key", "revoke"}, {"operator", "create"},
		{"usage", "show"}, {"usage", "audit"}, {"usage", "export"}, {"usage", "unknown"}, {"usage", "settle"}, {"billing", "preview"},
		{"cache", "purge"},
	} {
		stdout, _, status := tollhouse(t, append(args, "--help")...)
		if status != 0 || !strings.Contains(stdout, "Examples:") {
			t.Errorf("tollhouse %v --help: exit %d\n%s", args, status, stdout)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if stdout, _, status := tollhouse(t, "completion", shell); status != 0 || !strings.Contains(stdout, "tollhouse") {
			t.Errorf("completion %s: exit %d", shell, status)
		}
	}
}

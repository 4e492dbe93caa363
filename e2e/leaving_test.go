package e2e

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// From the first day to the last, with nothing but an operator's API token; only
// the month's invoice is cut by a command, as a timer does it.
func TestACustomersWholeLifeByTheAPI(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, f := demo(t, data, "--empty")
	args := []string{"token", "create", "--data", data, "--for", f.Operator.Email, "--name", "automation"}
	for _, scope := range []string{"customers", "keys", "members", "approvals"} {
		args = append(args, "--scope", scope+":read", "--scope", scope+":write")
	}
	token := ask[apiToken](t, args...).Token
	customers := strings.TrimSuffix(f.ConsoleURL, "/") + "/api/v1/customers"
	do := func(want int, method, url, body string, into any) string {
		t.Helper()
		answer := callAPI(t, method, url, token, body, "Content-Type: application/json")
		if answer.status != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, url, answer.status, want, answer.body)
		}
		if into != nil {
			answer.into(t, into)
		}
		return string(answer.body)
	}
	type thing struct{ ID, Name, Status, State string }

	var c thing
	since := time.Now().UTC().AddDate(0, -2, 0).Format(time.RFC3339)
	do(201, "POST", customers, fmt.Sprintf(`{"name":"Zanzibar Weavers","plan":"pro","since":%q}`, since), &c)
	at := customers + "/" + c.ID
	do(201, "POST", at+"/invitations", `{"email":"wilhelmina@zanzibar.example","role":"owner"}`, nil)
	var k struct{ ID, Text string }
	do(201, "POST", at+"/keys", `{"name":"loom"}`, &k)
	used := func(want int) {
		t.Helper()
		if response, text := post(t, f, k.Text, sentence); response.StatusCode != want {
			t.Fatalf("the key: %s %s, want %d", response.Status, text, want)
		}
	}
	used(http.StatusOK)

	var asked thing
	do(201, "POST", at+"/asks/limit", `{"limit":"monthly","count":123456,"note":"Wilhelmina weaves more"}`, &asked)
	do(200, "POST", at+"/approvals/"+asked.ID+"/approve", "", nil)
	if shown := do(200, "GET", at, "", nil); !strings.Contains(shown, "123456") {
		t.Errorf("the limit did not grow: %s", shown)
	}
	used(http.StatusOK)
	do(200, "POST", at+"/suspend", "", nil)
	used(http.StatusForbidden)

	ask[struct{ Invoices []struct{ ID, Number string } }](t, "billing", "cut", "--data", data)
	personal := []string{"zanzibar.example", "Zanzibar Weavers", "Wilhelmina"}
	exported := do(200, "GET", at+"/export", "", nil)
	for _, text := range personal {
		if !strings.Contains(exported, text) {
			t.Errorf("the export does not hold %q", text)
		}
	}
	if strings.Contains(exported, k.Text) {
		t.Error("the export holds the key")
	}

	do(422, "POST", at+"/delete", `{"customer":"cus_other"}`, nil)
	do(200, "POST", at+"/delete", fmt.Sprintf(`{"customer":%q}`, c.ID), &c)
	if c.Status != "closed" {
		t.Errorf("it is %+v", c)
	}
	used(http.StatusUnauthorized)
	for path, body := range map[string]string{"/resume": "", "/keys": `{"name":"again"}`, "/delete": fmt.Sprintf(`{"customer":%q}`, c.ID)} {
		do(409, "POST", at+path, body, nil)
	}
	var left struct{ Record map[string][]map[string]any }
	exported = do(200, "GET", at+"/export", "", &left)
	for _, text := range personal {
		if strings.Contains(exported, text) {
			t.Errorf("the export still holds %q", text)
		}
	}
	if len(left.Record["invoices"]) == 0 || len(left.Record["invoice_lines"]) == 0 || len(left.Record["keys"]) != 1 {
		t.Errorf("too little was kept: %s", exported)
	}
	if kept := ask[struct{ Invoices []struct{ ID string } }](t, "billing", "list", "--data", data, "--customer", c.ID); len(kept.Invoices) != len(left.Record["invoices"]) {
		t.Errorf("invoices: %+v", kept)
	}
	if stdout, stderr, status := tollhouse(t, "customer", "export", c.ID, "--data", data); status != 0 || !strings.Contains(stdout, `"closed"`) {
		t.Errorf("by the command: %d %s %s", status, stdout, stderr)
	}

	// Nobody finds a person again, in any table. The log of changes keeps the
	// names that the customer itself had: it cannot be changed.
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "tollhouse.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range column(t, db, `select name from sqlite_master where type = 'table'`) {
		rows := strings.Join(contents(t, db, table), "\n")
		for _, text := range personal {
			if strings.Contains(rows, text) && (table != "audit_entry" || text != "Zanzibar Weavers") {
				t.Errorf("table %s still holds %q", table, text)
			}
		}
	}
}

func column(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// contents are the rows of a table as text.
func contents(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	fields := column(t, db, fmt.Sprintf(`select name from pragma_table_info('%s')`, table))
	for i, name := range fields {
		fields[i] = fmt.Sprintf(`coalesce(cast("%s" as text), '')`, name)
	}
	return column(t, db, fmt.Sprintf(`select %s from "%s"`, strings.Join(fields, " || char(10) || "), table))
}

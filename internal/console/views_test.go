package console

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// view is a page in a state worth looking at.
type view struct {
	name, email, path string
	then              chromedp.Action[chromedp.Void]
}

func click(selector, wait string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.CSS(wait)))
}

func run(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[chromedp.Void](script+"; void 0")(ctx, t)
		return err
	})
}

// underProblem loads the page again while the newest configuration file is not
// in force.
func (w *world) underProblem(err error) chromedp.Action[chromedp.Void] {
	set := func(err error) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(context.Context, *chromedp.Target) error {
			w.setProblem(err)
			return nil
		})
	}
	return chromedp.Steps(set(err), chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#content .panel-warn")), set(nil))
}

// postedImport chooses a file in the import's form and sends it.
func (w *world) postedImport(content, wait string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(run(fmt.Sprintf(`const d = new DataTransfer(); d.items.add(new File([%q], "customers.csv")); document.querySelector("#file").files = d.files; document.querySelector("form.form button").click()`, content)), chromedp.WaitVisible(chromedp.CSS(wait)))
}

// views are all pages, each with its states that look different.
func (w *world) views() []view {
	key := "/keys/" + w.key.ID
	cus := "/customers/" + w.customer.ID
	return []view{
		{"sign-in", "", "/sign-in", nil},
		{"sign-in-wrong", "", "/sign-in", chromedp.Steps(
			chromedp.SetValue(chromedp.ID("email"), "owner@acme.example"), chromedp.SetValue(chromedp.ID("password"), "wrong"),
			chromedp.Submit(chromedp.ID("password")), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"sign-up", "", "/sign-up", nil},
		{"reset", "", "/reset", nil},
		{"sent", "", "/sent", nil},
		{"link-sign-up", "", "/link?ticket=" + w.standing(), chromedp.Steps(
			run(`const p = document.getElementById("password"); p.value = "password1234"; p.dispatchEvent(new Event("input", {bubbles: true}))`),
			chromedp.WaitVisible(chromedp.CSS("#password-live .icon, #password-live svg")))},
		{"link-gone", "", "/link?ticket=x", nil},
		{"team", "owner@acme.example", "/team", nil},
		{"team-viewer", "viewer@acme.example", "/team", nil},
		{"team-person", "owner@acme.example", "/team/" + w.developer, nil},
		{"team-remove-dialog", "owner@acme.example", "/team/" + w.developer, click(`a[href$="/remove"]`, "dialog[open]")},
		{"team-invite", "owner@acme.example", "/team/invitations/new", nil},
		{"customer-team", "admin@house.example", cus + "/team", nil},
		{"operators", "admin@house.example", "/operators", nil},
		{"mail", "admin@house.example", "/mail", nil},
		{"mail-one", "admin@house.example", "/mail/" + w.mail, nil},
		{"sign-in-passkey", "", "/sign-in", chromedp.Steps(click(`button[formaction="/sign-in/passkey"]`, "form[data-passkey]"))},
		{"account", "owner@acme.example", "/account", nil},
		{"account-wrong", "owner@acme.example", "/account", chromedp.Steps(chromedp.SetValue(chromedp.ID("current"), "wrong"), chromedp.SetValue(chromedp.ID("password"), "wrong"), chromedp.Submit(chromedp.ID("current")), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"account-app", "owner@acme.example", "/account/app", chromedp.Steps(chromedp.SetValue(chromedp.ID("current"), password), chromedp.Submit(chromedp.ID("current")), chromedp.WaitVisible(chromedp.CSS(".qr")))},
		{"account-new-passkey", "owner@acme.example", "/account/new-passkey", nil},
		{"account-passkey-rename", "owner@acme.example", "/account/passkeys/" + ownersPasskey, nil},
		{"account-passkey-remove", "owner@acme.example", "/account/passkeys/" + ownersPasskey + "/remove", nil},
		{"sign-in-code", "", "/sign-in", chromedp.Steps(
			chromedp.SetValue(chromedp.ID("email"), withApp), chromedp.SetValue(chromedp.ID("password"), password),
			chromedp.Submit(chromedp.ID("password")), chromedp.WaitVisible(chromedp.ID("code")))},
		{"account-app-on", withApp, "/account", nil},
		{"account-app-remove", withApp, "/account/app/remove", nil},
		{"account-codes-ask", withApp, "/account/codes", nil},
		{"account-codes", withApp, "/account/codes", chromedp.Steps(chromedp.SetValue(chromedp.ID("current"), password), chromedp.Submit(chromedp.ID("current")), chromedp.WaitVisible(chromedp.CSS("li code")))},
		{"overview", "owner@acme.example", "/overview", nil},
		{"overview-go", "owner@acme.example", "/overview?code=go", nil},
		{"overview-empty", "owner@initech.example", "/overview", nil},
		{"keys", "owner@acme.example", "/keys", nil},
		{"keys-empty", "owner@initech.example", "/keys", nil},
		{"keys-viewer", "viewer@acme.example", "/keys", nil},
		{"key-new", "owner@acme.example", "/keys/new", nil},
		{"key-new-wrong", "owner@acme.example", "/keys/new", chromedp.Steps(
			run(`document.querySelector("form.form").noValidate = true; document.querySelector("form.form button").click()`), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"key-made", "owner@acme.example", "/keys/new", chromedp.Steps(chromedp.SetValue(chromedp.ID("name"), "deploy bot"), click("form.form button[type=submit]", ".secret"))},
		{"plan-ask-limit", "owner@acme.example", "/plan/limit", nil},
		{"plan-asked", "owner@acme.example", "/plan", nil},
		{"key-roll", "owner@acme.example", key + "/roll", nil},
		{"key-revoke-dialog", "owner@acme.example", "/keys", click(`a[href="`+key+`/revoke"]`, "dialog[open]")},
		{"usage", "owner@acme.example", "/usage", nil},
		{"usage-24h", "owner@acme.example", "/usage?range=24h", nil},
		{"usage-words", "owner@acme.example", "/usage?range=90d&unit=words", nil},
		{"usage-empty", "owner@initech.example", "/usage", nil},
		{"plan", "owner@acme.example", "/plan", nil},
		{"plan-developer", "developer@acme.example", "/plan", nil},
		{"plan-free", "owner@initech.example", "/plan", nil},
		{"plan-payg", "owner@globex.example", "/plan", nil},
		{"plan-fr", "aline@acme.example", "/plan", nil},
		{"plan-swapped", "owner@acme.example", "/overview", click(`.tile-link a[href="/plan"]`, "#bill")},
		{"requests", "owner@acme.example", "/requests", nil},
		{"requests-refused", "owner@acme.example", "/requests?id=" + refusedID, nil},
		{"requests-answered", "owner@acme.example", "/requests?id=" + answeredID, nil},
		{"requests-unknown", "owner@acme.example", "/requests?id=" + theirsID, nil},
		{"requests-none", "owner@initech.example", "/requests", nil},
		{"requests-fr", "aline@acme.example", "/requests?id=" + refusedID, nil},
		{"requests-asked", "owner@acme.example", "/requests", chromedp.Steps(chromedp.SetValue(chromedp.ID("id"), refusedID), click("form.filters button", "#explained"))},
		{"approvals", "support@house.example", "/approvals", run(`document.querySelector("details").open = true`)},
		{"approval-reject-dialog", "support@house.example", "/approvals", click(`a[href="/approvals/`+w.approval.ID+`/reject"]`, "dialog[open]")},
		{"audit", "support@house.example", "/audit", run(`document.querySelector("#results details").open = true`)},
		{"models", "owner@acme.example", "/models", nil},
		{"models-empty", "owner@initech.example", "/models", nil},
		{"models-wrong", "owner@acme.example", "/models", chromedp.Steps(
			run(`document.querySelector("form.form").noValidate = true; document.querySelector("form.form button").click()`), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"models-fr", "aline@acme.example", "/models", nil},
		{"support", "owner@acme.example", "/support", nil},
		{"support-new", "owner@acme.example", "/support/new", nil},
		{"support-thread", "owner@acme.example", "/support/threads/" + w.thread.ID, nil},
		{"support-empty", "owner@initech.example", "/support", nil},
		{"models-all", "admin@house.example", "/models", nil},
		{"models-reject-dialog", "admin@house.example", "/models", click(`a[href$="/reject"]`, "dialog[open]")},
		{"support-inbox", "admin@house.example", "/support", nil},
		{"support-thread-operator", "admin@house.example", "/support/threads/" + w.thread.ID, nil},
		{"import", "admin@house.example", "/import", nil},
		{"import-preview", "admin@house.example", "/import", w.postedImport("external_id,name,plan\n42,ACME,pro\n43,Hooli,free\n", "#content table")},
		{"import-wrong", "admin@house.example", "/import", w.postedImport("external_id,name,plan\n42,ACME,pro\n42,Hooli,none\n", "#content .panel-bad")},
		{"customers", "admin@house.example", "/customers", nil},
		{"requests-operator", "admin@house.example", "/requests?id=" + refusedID, nil},
		{"ranking", "admin@house.example", "/usage/customers", nil},
		{"ranking-empty", "admin@house.example", "/usage/customers?month=2020-01", nil},
		{"customers-none", "admin@house.example", "/customers?q=zzz", nil},
		{"customers-config", "admin@house.example", "/customers", w.underProblem(toll.Errorf(toll.Invalid, "tollhouse.yml:12:5: plans.pro: unknown field `prize`; did you mean `price`? (and 2 more)"))},
		{"customer", "admin@house.example", cus, nil},
		{"customer-usage", "admin@house.example", cus + "/usage", nil},
		{"customer-suspend-dialog", "admin@house.example", cus, click(`a[href$="/suspend"]`, "dialog[open]")},
		{"overview-swapped", "owner@acme.example", "/keys", chromedp.Steps(run(`document.querySelector("#menu a[href='/overview']").click()`), chromedp.WaitVisible(chromedp.CSS("#sample")), click("#code-Python", "#code-Python[aria-current]"))},
		{"usage-hover", "owner@acme.example", "/usage", chromedp.Steps(run(`document.querySelector("toll-chart").show(document.querySelectorAll(".slot")[12]); document.querySelector("details").open = true`), chromedp.WaitVisible(chromedp.CSS(".tip")))},
		{"menu-open", "owner@acme.example", "/usage", run(`innerWidth < 600 && document.querySelector("#menu").showPopover()`)},
		{"toast", "admin@house.example", "/customers/" + w.other.ID + "/suspend", chromedp.Steps(run(`document.querySelector(".confirm button").click()`), chromedp.WaitVisible(chromedp.CSS(".toast")))},
		{"overview-fr", "aline@acme.example", "/overview", nil},
		{"keys-fr", "aline@acme.example", "/keys", nil},
		{"usage-es", "alba@acme.example", "/usage", nil},
		{"not-found", "owner@acme.example", "/nowhere", nil},
		{"forbidden", "owner@acme.example", "/customers", nil},
		{"pieces", "owner@acme.example", "/dev/pieces", nil},
	}
}

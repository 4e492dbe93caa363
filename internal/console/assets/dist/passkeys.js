(() => {
const form = document.querySelector("form[data-passkey]");
if (!form) return;
const show = (what, on) => {
form.querySelector(`[data-${what}]`).hidden = !on;
};
const api = window.PublicKeyCredential;
if (!api?.parseCreationOptionsFromJSON || !api.parseRequestOptionsFromJSON) {
show("unable", true);
return;
}
const { publicKey } = JSON.parse(form.dataset.passkey);
const ask = () => form.dataset.does === "create"
? navigator.credentials.create({ publicKey: api.parseCreationOptionsFromJSON(publicKey) })
: navigator.credentials.get({ publicKey: api.parseRequestOptionsFromJSON(publicKey) });
form.addEventListener("submit", async (e) => {
if (form.reply.value) return;
e.preventDefault();
show("failed", false);
try {
form.reply.value = JSON.stringify((await ask()).toJSON());
form.requestSubmit();
} catch {
show("failed", true);
}
});
if (form.dataset.does === "get") form.requestSubmit();
})();

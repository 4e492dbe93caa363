// Passkeys: hands what the server asks for to the browser, and sends the reply
// as the form's field. Only pages that ask for a passkey load this.
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
  // To sign in, the button was pressed on the page before.
  if (form.dataset.does === "get") form.requestSubmit();
})();

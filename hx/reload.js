// Loads the page anew when a file of the program has changed, or the program was
// started anew; a changed style sheet is exchanged without that. In development
// only; hx.Reload serves it.
(() => {
  const source = new EventSource(new URL("events", document.currentScript.src));
  const reload = () => location.reload();
  source.addEventListener("reload", reload);
  source.addEventListener("gap", reload); // another process answers than before
  source.addEventListener("style", () => {
    for (const old of document.querySelectorAll('link[rel="stylesheet"]')) {
      const url = new URL(old.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("reload", Date.now());
      const fresh = old.cloneNode();
      fresh.href = url;
      fresh.addEventListener("load", () => old.remove());
      old.after(fresh);
    }
  });
  addEventListener("pagehide", () => source.close());
})();

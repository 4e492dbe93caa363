// What htmx and the browser do not do by themselves: two custom elements around
// parts of forms, where the focus goes, and what to say when nobody answers.
// Every page works without this file. It holds no rule of the app: what is
// right and what is saved, the server says.
(() => {
  // <form-field> is a field with its message. The message is the server's and
  // comes alone while somebody types, so that focus and cursor stay; here the
  // field is told whether there is one. A password can be shown.
  customElements.define("form-field", class extends HTMLElement {
    connectedCallback() {
      this.input = this.querySelector("input");
      const message = this.querySelector(".wrong");
      if (message) {
        this.watch = new MutationObserver(() => {
          if (message.textContent.trim()) this.input.setAttribute("aria-invalid", "true");
          else this.input.removeAttribute("aria-invalid");
        });
        this.watch.observe(message, { childList: true, characterData: true, subtree: true });
      }
      if (this.dataset.show && !this.querySelector(".show")) this.addShow();
    }
    disconnectedCallback() {
      this.watch?.disconnect();
    }
    addShow() {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link show";
      button.setAttribute("aria-controls", this.input.id);
      const turn = (shown) => {
        this.input.type = shown ? "text" : "password";
        button.textContent = shown ? this.dataset.hide : this.dataset.show;
      };
      turn(false);
      button.addEventListener("click", () => turn(this.input.type === "password"));
      this.closest("form").addEventListener("submit", () => turn(false)); // browsers offer to keep passwords only
      this.querySelector("label").after(button);
    }
  });

  // <note-form> keeps what is not saved in this tab, until it is: over a session
  // that ends, a tab that is restored, a page that is left. It is the tab's
  // alone, belongs to one person and day, and goes when the tab does.
  const place = "daybook-draft";
  const kept = () => {
    try {
      return JSON.parse(sessionStorage.getItem(place));
    } catch {
      return null;
    }
  };
  const keep = (draft) => {
    try {
      if (draft) sessionStorage.setItem(place, JSON.stringify(draft));
      else sessionStorage.removeItem(place);
    } catch {} // full, or forbidden: then nothing is kept
  };
  customElements.define("note-form", class extends HTMLElement {
    connectedCallback() {
      const form = this.querySelector("form");
      const { note, date } = form.elements;
      const state = this.querySelector("#state");
      const write = () => keep({ owner: this.dataset.owner, date: date.value, version: form.elements.version.value, text: note.value });

      const put = (text) => {
        note.value = text;
        // htmx hears of it once it has looked at what is here.
        setTimeout(() => note.dispatchEvent(new Event("input", { bubbles: true })), 50);
      };

      const draft = kept();
      if (draft && draft.owner !== this.dataset.owner) keep(null);
      else if (draft && draft.date !== date.value) this.offer(draft.text, (text) => put(note.value + (note.value && "\n") + text));
      else if (draft && draft.text !== note.value) {
        form.elements.version.value = draft.version; // what it was made from
        put(draft.text);
      }
      note.addEventListener("input", () => {
        write();
        state.classList.add("asking"); // what stands there is of before
      });
      this.watch = new MutationObserver(() => {
        state.classList.remove("asking");
        if (state.querySelector(".saved")) keep(null);
        else if (note.value !== note.defaultValue) write();
      });
      this.watch.observe(state, { childList: true });
      note.addEventListener("keydown", (e) => {
        if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) form.requestSubmit();
      });
    }
    // offer shows what was left of an earlier day.
    offer(text, take) {
      const left = this.querySelector("[data-left]");
      left.querySelector(".note").textContent = text;
      left.hidden = false;
      left.addEventListener("click", (e) => {
        if (e.target.matches("[data-take]")) take(text);
        else if (e.target.matches("[data-drop]")) keep(null);
        else return;
        left.hidden = true;
      });
    }
    disconnectedCallback() {
      this.watch?.disconnect();
    }
  });
  document.addEventListener("submit", (e) => {
    if (e.target.matches(".leave")) keep(null); // who signs out leaves nothing here
  });

  const $ = (selector) => document.querySelector(selector);
  document.addEventListener("htmx:after:swap", (e) => {
    const { target, response } = e.detail.ctx;
    $("#offline").hidden = true;
    if (!response || response.status < 400) $("#problem").replaceChildren();
    if (target?.id !== "content") return;
    // New content: the focus goes to what is wrong, or else to its heading.
    const to = target.querySelector("[autofocus]") || target.querySelector("h1");
    to?.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  document.addEventListener("htmx:error", (e) => {
    if (!e.detail.ctx?.response) $("#offline").hidden = false;
    $("#state")?.classList.remove("asking");
  });
  addEventListener("offline", () => ($("#offline").hidden = false));
  addEventListener("online", () => ($("#offline").hidden = true));
  document.addEventListener("release", () => ($("#fresh").hidden = false));
})();

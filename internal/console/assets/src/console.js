// What htmx and the browser do not do by themselves. Every page works without
// this file; nothing here keeps state that the server does not have.
(() => {
  const $ = (s, in_ = document) => in_.querySelector(s);
  document.documentElement.classList.add("js");

  // After a swap: a new page puts the focus on its title (or on the summary of
  // what is wrong) and closes the dialog; a dialog that was filled opens.
  document.addEventListener("htmx:after:swap", (e) => {
    const { ctx } = e.detail;
    offline(false);
    exact(document);
    const target = ctx.target;
    if (!target || ctx.swap === "none") return;
    if (target.id === "dialog") {
      if (!target.open) target.showModal();
      return;
    }
    if (target.id === "content" || target === document.body) {
      const dialog = $("#dialog");
      if (dialog?.open) dialog.close();
      const menu = $("#menu"); // the drawer of a phone; an error's answer brings no new one
      if (menu?.matches(":popover-open")) menu.hidePopover();
      const to = $("#content [data-summary]") || $("#content [data-autofocus]") || $("#content h1");
      if (to) {
        to.tabIndex = to.tabIndex < 0 ? -1 : to.tabIndex;
        to.focus({ preventScroll: true });
      }
    }
  });

  // A form with files shows how much of it has gone. fetch cannot tell, so such
  // a form goes by XMLHttpRequest.
  document.addEventListener("htmx:before:request", (e) => {
    const { ctx } = e.detail;
    const bar = ctx.request.body instanceof FormData && $("[data-sent]", ctx.sourceElement?.closest?.("form") || ctx.sourceElement);
    if (!bar) return;
    ctx.fetch = (url, request) => new Promise((done, failed) => {
      const x = new XMLHttpRequest();
      x.open(request.method, url);
      new Headers(request.headers).forEach((value, name) => x.setRequestHeader(name, value));
      bar.hidden = false;
      x.upload.onprogress = (p) => {
        if (p.lengthComputable) bar.value = p.loaded / p.total;
      };
      x.onloadend = () => (bar.hidden = true);
      x.onerror = () => failed(new TypeError("the connection was lost"));
      x.onload = () => {
        const headers = new Headers();
        for (const line of x.getAllResponseHeaders().trim().split("\r\n")) {
          const at = line.indexOf(":");
          headers.append(line.slice(0, at), line.slice(at + 1).trim());
        }
        const empty = x.status === 204 || x.status === 304;
        const answer = new Response(empty ? null : x.responseText, { status: x.status, headers });
        Object.defineProperty(answer, "url", { value: x.responseURL });
        done(answer);
      };
      x.send(request.body);
    });
  });

  // A dialog that was closed forgets what it showed.
  $("#dialog")?.addEventListener("close", (e) => e.target.replaceChildren());

  // Network loss shows one bar until an answer comes again.
  const offline = (on) => {
    const bar = $("#offline");
    if (bar) bar.hidden = !on;
  };
  document.addEventListener("htmx:error", (e) => {
    if (e.detail.ctx && !e.detail.ctx.response) offline(true);
  });
  addEventListener("offline", () => offline(true));
  addEventListener("online", () => offline(false));

  // A newer version answers: one bar says so. What is being typed stays until
  // the person reloads.
  document.addEventListener("release", () => {
    const bar = $("#newer");
    if (bar) bar.hidden = false;
  });

  document.addEventListener("click", async (e) => {
    const button = e.target.closest?.("[data-copy], [data-close], [data-reload]");
    if (!button) return;
    if (button.hasAttribute("data-reload")) {
      location.reload();
      return;
    }
    if (button.hasAttribute("data-close")) {
      const dialog = button.closest("dialog");
      if (dialog) {
        e.preventDefault();
        e.stopPropagation();
        dialog.close();
      } else button.closest(".toast")?.remove();
      return;
    }
    const from = document.getElementById(button.dataset.copy);
    const text = from.value ?? from.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!from.select) return;
      from.select();
      document.execCommand("copy");
    }
    const label = $("span", button);
    const before = label.textContent;
    label.textContent = button.dataset.done;
    setTimeout(() => (label.textContent = before), 1600);
  }, true);

  // Exact times in the person's own zone, as the title of relative ones.
  const exact = (root) => {
    for (const t of root.querySelectorAll("time[datetime]")) {
      const d = new Date(t.dateTime);
      if (!isNaN(d)) t.title = d.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" });
    }
  };
  exact(document);

  // Values under the pointer, or under the arrow keys, read from the table
  // below the chart: row i belongs to bar i.
  customElements.define("toll-chart", class extends HTMLElement {
    connectedCallback() {
      this.tip = document.createElement("div");
      this.tip.className = "tip";
      this.tip.hidden = true;
      this.tip.setAttribute("role", "status");
      this.addEventListener("pointermove", (e) => this.show(e.target.closest(".slot")));
      this.addEventListener("pointerdown", (e) => this.show(e.target.closest(".slot")));
      this.addEventListener("pointerleave", () => this.show(null));
      this.addEventListener("focusout", () => this.show(null));
      this.addEventListener("keydown", (e) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
        if (!step) return;
        e.preventDefault();
        const slots = [...this.querySelectorAll(".slot")];
        const at = slots.indexOf(this.at);
        this.show(slots[at < 0 ? (step > 0 ? 0 : slots.length - 1) : Math.max(0, Math.min(slots.length - 1, at + step))]);
      });
    }
    show(slot) {
      if (slot === this.at) return;
      this.at?.classList.remove("on");
      this.at = slot;
      this.tip.hidden = !slot;
      if (!slot) return;
      slot.classList.add("on");
      const chart = $(".chart", this);
      if (!this.tip.isConnected) chart.append(this.tip);
      const table = document.getElementById(this.getAttribute("figures"));
      const heads = [...table.tHead.rows[0].cells];
      const cells = [...table.tBodies[0].rows[slot.dataset.row].cells];
      this.tip.replaceChildren(...cells.map((cell, i) => {
        const p = document.createElement("p");
        if (i) p.append(heads[i].textContent.trim());
        const b = document.createElement("span");
        b.textContent = cell.textContent.trim();
        p.append(b);
        return p;
      }));
      const area = chart.getBoundingClientRect();
      const bar = $(".hit", slot).getBoundingClientRect();
      const width = this.tip.offsetWidth;
      let x = bar.right - area.left + 8;
      if (x + width > area.width) x = Math.max(0, bar.left - area.left - width - 8);
      this.tip.style.left = x + "px";
    }
  });
})();

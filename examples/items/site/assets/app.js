// The one listener for everything that goes wrong on the way. Errors that the
// server knows of arrive as fragments, in #problem; this is for the rest.
document.addEventListener("htmx:error", () => {
  document.querySelector("#offline").hidden = false;
});
document.addEventListener("htmx:after:request", () => {
  document.querySelector("#offline").hidden = true;
});
// A later answer that is right takes the error of an earlier one away.
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.response?.status < 400) document.querySelector("#problem").replaceChildren();
});

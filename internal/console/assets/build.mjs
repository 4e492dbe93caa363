// Builds dist/ (or the folder that is named) from src/ and the pinned packages:
// `npm ci && npm run build`. Its output is committed and embedded in the
// program; a test of the Go package says when it is not what the sources give.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const from = (...parts) => join(here, ...parts);
const dist = (name) => join(process.argv[2] ?? from("dist"), name);
mkdirSync(dist(""), { recursive: true });

execFileSync(from("node_modules", ".bin", "tailwindcss"), ["--input", from("src", "console.css"), "--output", dist("console.css"), "--minify"], { cwd: here, stdio: "inherit" });

copyFileSync(from("node_modules", "htmx.org", "dist", "htmx.min.js"), dist("htmx.js"));
copyFileSync(from("node_modules", "htmx.org", "LICENSE"), dist("htmx.LICENSE.txt"));
copyFileSync(from("node_modules", "lucide-static", "LICENSE"), dist("icons.LICENSE.txt"));

// Comments and indentation carry no meaning for the browser; line ends stay, so
// that an error's line can still be read.
for (const name of ["console.js", "passkeys.js"]) {
  const script = readFileSync(from("src", name), "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("//"))
    .join("\n");
  writeFileSync(dist(name), script + "\n");
}

// One sprite, inlined into each whole page: <use href="#i-key-round"> then
// costs no request. Names are Lucide's.
const icons = readFileSync(from("src", "icons.txt"), "utf8").split(/\s+/).filter(Boolean);
const symbols = icons.map((name) => {
  const svg = readFileSync(from("node_modules", "lucide-static", "icons", `${name}.svg`), "utf8");
  const inner = svg.replace(/<!--[\s\S]*?-->/g, "").match(/<svg[\s\S]*?>([\s\S]*)<\/svg>/)[1];
  return `<symbol id="i-${name}" viewBox="0 0 24 24">${inner.replace(/\s*\n\s*/g, "").replace(/\s*\/>/g, "/>")}</symbol>`;
});
writeFileSync(dist("icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg" class="sprite" width="0" height="0" aria-hidden="true" focusable="false">${symbols.join("")}</svg>\n`);
copyFileSync(from("src", "favicon.svg"), dist("favicon.svg"));

// Compressed once here, so that a start compresses nothing.
for (const name of ["console.css", "console.js", "passkeys.js", "htmx.js", "favicon.svg"]) {
  const bytes = readFileSync(dist(name));
  writeFileSync(dist(`${name}.gz`), gzipSync(bytes, { level: 9 }));
  writeFileSync(dist(`${name}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
}

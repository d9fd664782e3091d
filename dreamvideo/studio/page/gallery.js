// The gallery: what was rendered, played in place, with its recipe; two side by side.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { address, get } from "./server.js";
import { openRecipe, openSource } from "./source.js";
import { attempt, copy, state, update } from "./store.js";

export async function load() {
  const gallery = await attempt(() => get("gallery"));
  if (gallery) update({ gallery });
}

/** Show a rendered file in the gallery, and play it. */
export async function play(id) {
  update({ view: "gallery", compared: [id] });
  await load();
}

const size = (bytes) => (bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`);

export function view() {
  const { gallery, compared } = state;
  if (!gallery.length)
    return html`<section class="empty"><div class="drop"><h1>Nothing is here yet</h1>
      <p>What you render lies in <code>${state.boot.folder}</code>, and shows up here.</p></div></section>`;
  const shown = compared.map((id) => gallery.find((one) => one.id === id)).filter(Boolean);
  return html`
    ${shown.length
      ? html`<section class="screen ${shown.length > 1 ? "two" : ""}" aria-label="Playing">
          ${shown.map((one) => html`<figure>${medium(one, true)}<figcaption>${one.name}</figcaption></figure>`)}
          <div class="row">
            ${shown.length > 1 ? html`<button @click=${together} data-together>Play both from the beginning</button>` : nothing}
            <button class="quiet" @click=${() => update({ compared: [] })}>Close</button>
          </div>
        </section>`
      : nothing}
    <section class="gallery" aria-label="Gallery">${gallery.map(card)}</section>
  `;
}

function medium(one, large = false) {
  const source = address(`media/${one.id}`);
  const moves = one.kind === "film" && !/\.(webp|gif)$/i.test(one.name);
  if (moves || one.kind === "frames")
    return html`<video controls loop ?autoplay=${large} preload=${large || one.plays ? "metadata" : "none"} poster=${one.plays || !one.render ? nothing : address(`renders/${one.render}/newest`)} src=${source} data-film=${one.name}></video>`;
  return html`<img loading="lazy" alt=${one.name} src=${source} data-film=${one.name} />`;
}

function together() {
  for (const film of document.querySelectorAll(".screen video")) {
    film.currentTime = 0;
    film.play();
  }
}

function compare(one) {
  const { compared } = state;
  update({ compared: compared.includes(one.id) ? compared.filter((id) => id !== one.id) : [...compared.slice(-1), one.id] });
}

async function again(one) {
  if (one.source) await openSource(one.source);
  if (await openRecipe(one.id, true)) update({ view: "dream" });
}

function card(one) {
  return html`
    <article data-item=${one.name}>
      ${medium(one)}
      <h2>${one.name}</h2>
      <p class="hint">${new Date(one.changed * 1000).toLocaleString()} · ${size(one.bytes)}</p>
      <div class="row">
        <button @click=${() => again(one)} data-again>Again with changes</button>
        <button aria-pressed=${state.compared.includes(one.id)} @click=${() => compare(one)} data-compare>
          ${state.compared.length && !state.compared.includes(one.id) ? "Compare" : "Large"}
        </button>
        ${one.command
          ? html`<button class="quiet" @click=${() => copy(one.command, "command")} data-copy-command>Copy as command</button>`
          : nothing}
        ${one.kind === "frames" ? nothing : html`<a class="button" href=${address(`media/${one.id}`, { download: 1 })} download>Save a copy</a>`}
      </div>
    </article>
  `;
}

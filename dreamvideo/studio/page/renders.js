// The renders: what is at work, what waits, and how far it is.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import * as gallery from "./gallery.js";
import { address, post } from "./server.js";
import { attempt, copy, duration, say, state, update } from "./store.js";

const act = (render, action) => attempt(() => post(`renders/${render.number}/${action}`));

export function takeWatch(told) {
  if (told.error) say(told.error);
  if (told.film) update({ watched: { ...state.watched, [told.request]: told.film } });
}

export function view() {
  const place = (render) => ["at work", "pausing", "waiting", "paused", "failed", "done"].indexOf(render.state);
  const age = (render) => (render.state === "done" ? -1 : 1) * Number(render.number); // what waits comes in its turn
  const shown = [...state.renders].sort((a, b) => place(a) - place(b) || age(a) - age(b));
  if (!shown.length)
    return html`<section class="empty"><div class="drop"><h1>Nothing is being rendered</h1>
      <p>Choose a look, and press Render. Renders go on when this page is closed.</p></div></section>`;
  return html`<section class="renders" aria-label="Renders">${shown.map(card)}</section>`;
}

const STATES = {
  waiting: "waits", "at work": "dreaming", pausing: "saving what is done", paused: "paused", failed: "failed", done: "done",
};

function card(render) {
  const { number, name, state: now, done, total, each } = render;
  const share = total ? done / total : 0;
  const left = now === "at work" && each ? ` · ${duration(each * (total - done))} left, ${each.toFixed(2)} s a frame` : "";
  const phase = now === "at work" && render.phase ? render.phase : (STATES[now] ?? now);
  const film = state.watched[number];
  return html`
    <article data-number=${number} data-state=${now}>
      <div class="newest">
        ${film
          ? html`<video controls autoplay loop src=${address(`film/${film}`)} data-watched></video>`
          : render.newest
            ? html`<img alt="Newest frame of ${name}" src=${address(`renders/${number}/newest`, { at: render.newest })} data-newest />`
            : html`<span class="none"></span>`}
      </div>
      <div class="about">
        <h2>${name}</h2>
        <p role="status" data-progress>
          ${phase}${total ? ` · ${done} of ${total} ${total === 1 ? "frame" : "frames"}` : ""}${left}
        </p>
        <progress max="1" .value=${share} aria-label="Progress of ${name}"></progress>
        ${render.error ? html`<p class="error">${render.error}</p>` : nothing}
        ${render.notices.map((one) => html`<p class="hint">${one}</p>`)}
        <div class="row">
          ${now === "at work" || now === "waiting"
            ? html`<button @click=${() => act(render, "pause")} data-pause>Pause</button>`
            : nothing}
          ${now === "paused" || now === "failed"
            ? html`<button class="primary" @click=${() => act(render, "resume")} data-resume>Resume</button>`
            : nothing}
          ${now !== "done" && done && total > 1 && !render.phase
            ? html`<button @click=${() => attempt(() => post(`renders/${number}/watch`))} data-watch>Watch what is there</button>`
            : nothing}
          ${now === "done"
            ? html`<button class="primary" @click=${() => gallery.play(render.id)} data-show>Play</button>`
            : nothing}
          <button class="quiet" @click=${() => copy(render.command, "command")} data-copy-command>Copy as command</button>
          <button class="quiet" @click=${() => forget(render)} data-cancel>${now === "done" ? "Remove from this list" : "Cancel"}</button>
        </div>
      </div>
    </article>
  `;
}

function forget(render) {
  const sure = render.state === "done" || !render.done || confirm(`Throw away the ${render.done} frames of ${render.name} that are done?`);
  if (sure) act(render, "cancel");
}

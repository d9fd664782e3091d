// The curve of a parameter: keyframes that are dragged on the timeline, or an expression.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { parameter, setValue, state, timeline, update, valueOf } from "./store.js";

const EASES = ["linear", "smooth", "hold"];
const UNITS = /^(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)\s*(s|%|beats?|bars?)?$/;

/** Return the seconds of a moment as written in a recipe. */
function secondsOf(moment) {
  const found = UNITS.exec(moment.trim());
  if (!found) return 0;
  const [, hours, minutes, number, unit] = found;
  const { rate, first, last } = timeline();
  if (unit === "%") return (Number(number) / 100) * ((last - first) / rate);
  const times = unit?.startsWith("beat") ? state.analysis.beats : unit?.startsWith("bar") ? state.analysis.bars : null;
  if (times) return times[Math.min(Math.round(Number(number)), times.length - 1)] ?? 0;
  const [h, m] = minutes === undefined ? [0, hours] : [hours, minutes];
  return Number(h ?? 0) * 3600 + Number(m ?? 0) * 60 + Number(number);
}

/** Return the keyframes of the curve that is edited, in order: {moment, seconds, value, ease}. */
export function keyframesOf() {
  const value = state.curve ? valueOf(state.curve) : null;
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value)
    .filter(([moment]) => moment !== "ease")
    .map(([moment, given]) => {
      const [number, ease] = Array.isArray(given) ? given : [given, value.ease ?? "linear"];
      return { moment, seconds: secondsOf(moment), value: number, ease };
    });
}

export function curveRange() {
  const described = parameter(state.curve);
  const [low, high] = described.usual.length ? described.usual : [described.low, described.high].map(Number);
  const values = [...keyframesOf().map((one) => one.value), ...(state.checked.film?.curves?.[state.curve] ?? [])];
  const [least, most] = [Math.min(low, ...values), Math.max(high, ...values)];
  return least < most && Number.isFinite(least + most) ? [least, most] : [0, 1];
}

function write(points) {
  const [low, high] = curveRange();
  const step = parameter(state.curve).whole ? 1 : 10 ** Math.floor(Math.log10((high - low) / 100)); // of what is dragged
  const sorted = [...points].sort((a, b) => a.seconds - b.seconds);
  const table = {};
  for (const one of sorted) {
    const number = Number((Math.round(one.value / step) * step).toPrecision(6));
    table[one.moment] = one.ease === "linear" ? number : [number, one.ease];
  }
  setValue(state.curve, table);
}

const written = (seconds) => `${Number(seconds.toFixed(4))}s`;

export function moveKeyframe(moment, seconds, value) {
  const points = keyframesOf();
  const target = written(seconds);
  if (target !== moment && points.some((one) => one.moment === target)) return moment;
  write(points.map((one) => (one.moment === moment ? { ...one, moment: target, seconds, value } : one)));
  return target;
}

export function addKeyframe(seconds, value) {
  const moment = written(seconds);
  write([...keyframesOf().filter((one) => one.moment !== moment), { moment, seconds, value, ease: "linear" }]);
  return moment;
}

export function removeKeyframe(moment) {
  const points = keyframesOf().filter((one) => one.moment !== moment);
  if (!points.length) return;
  update({ keyframe: null });
  write(points);
}

/** Open the curve of a parameter below the timeline. */
export function openCurve(name) {
  update({ curve: state.curve === name ? "" : name, keyframe: null });
}

function become(kind) {
  const value = valueOf(state.curve);
  const number = typeof value === "number" ? value : (keyframesOf()[0]?.value ?? parameter(state.curve).default);
  const { rate, first, last } = timeline();
  const end = (last - first - 1) / rate;
  if (kind === "number") setValue(state.curve, number);
  else if (kind === "keyframes") setValue(state.curve, { "0s": number, [written(end)]: number });
  else setValue(state.curve, String(number));
}

export function curveTools() {
  const value = valueOf(state.curve);
  const kind = typeof value === "string" ? "expression" : typeof value === "object" ? "keyframes" : "number";
  const chosen = keyframesOf().find((one) => one.moment === state.keyframe);
  return html`
    <div class="row curve" data-curve=${state.curve}>
      <strong>${state.curve}</strong>
      ${["number", "keyframes", "expression"].map(
        (one) => html`<button aria-pressed=${kind === one} @click=${() => become(one)} data-kind=${one}>${one}</button>`,
      )}
      ${kind === "expression"
        ? html`<input
            class="grow"
            type="text"
            aria-label="Expression of ${state.curve}"
            .value=${value}
            data-expression
            list="heard"
            placeholder="0.5 + 0.5 * pulse(beat)"
            @change=${(event) => setValue(state.curve, event.target.value.trim() || undefined)}
          />`
        : nothing}
      ${kind === "keyframes" ? keyframeTools(chosen) : nothing}
      <button class="quiet" @click=${() => update({ curve: "" })}>Close</button>
    </div>
    <datalist id="heard">
      ${["0.5 + 0.5 * pulse(beat)", "1 + rms", "bass", "0.5 + 0.5 * sin(t)", "ramp(bar)"].map((one) => html`<option value=${one}></option>`)}
    </datalist>
  `;
}

function keyframeTools(chosen) {
  const add = () => {
    const { rate, first } = timeline();
    const seconds = Math.max(state.frame - first, 0) / rate;
    const values = state.checked.film?.curves?.[state.curve];
    const at = values && state.checked.film.times.findIndex((time) => time >= seconds - 1e-4);
    update({ keyframe: addKeyframe(seconds, values && at >= 0 ? values[at] : parameter(state.curve).default) });
  };
  return html`
    <button @click=${add} data-add-keyframe>Add one here</button>
    ${chosen
      ? html`
          <label class="inline">at ${chosen.moment}
            <input
              type="number"
              step="any"
              aria-label="Value of the keyframe"
              data-keyframe-value
              .value=${String(chosen.value)}
              @change=${(event) => moveKeyframe(chosen.moment, chosen.seconds, Number(event.target.value))}
            />
          </label>
          <select
            aria-label="How it goes on to the next"
            @change=${(event) => write(keyframesOf().map((one) => (one.moment === chosen.moment ? { ...one, ease: event.target.value } : one)))}
          >
            ${EASES.map((ease) => html`<option ?selected=${chosen.ease === ease}>${ease}</option>`)}
          </select>
          <button @click=${() => removeKeyframe(chosen.moment)} data-remove-keyframe>Remove</button>
        `
      : html`<span class="hint">drag a point; double-click for a new one</span>`}
  `;
}

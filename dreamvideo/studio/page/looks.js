// The strip of looks: every preset, and every layer of the network, dreamed on this very frame.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { address, post } from "./server.js";
import { listenTo } from "./source.js";
import { attempt, edit, state, update, valueOf } from "./store.js";

const KEPT = ["clip", "music", "encoding"]; // sections that another look leaves as they are
const HEARD = /\b(beat|bar|onset|rms|bass|mid|treble)\b/;
let request = 0;

/** Return why a look is not dreamed before it is taken: weights would be downloaded, or music listened to. */
const missing = (look) =>
  !look.builtIn ? "another network" : follows(look.recipe) && !valueOf("music.music") ? "moves with music" : "";
const follows = (recipe) => HEARD.test(JSON.stringify(recipe));

/** Return the recipe with another look. */
function withLook(look) {
  const kept = Object.fromEntries(KEPT.filter((name) => state.recipe[name]).map((name) => [name, state.recipe[name]]));
  const recipe = { ...structuredClone(look.recipe) };
  for (const [name, table] of Object.entries(kept)) recipe[name] = { ...recipe[name], ...table };
  if (follows(look.recipe) && !recipe.music?.music && state.source?.sound)
    recipe.music = { ...recipe.music, music: "source" };
  return recipe;
}

function take(look) {
  const before = valueOf("music.music");
  edit(withLook(look), { preset: look.name });
  if (valueOf("music.music") !== before) listenTo();
}

function takeLayer(layer) {
  edit({ ...state.recipe, network: { ...state.recipe.network, layers: `${layer}=1` } });
}

/** Dream the frame with every look, small; those that are in sight first. */
export function dreamLooks() {
  if (!state.source) return;
  const { looks, source, frame } = state;
  request += 1;
  if (looks.tab === "presets") {
    const shown = state.boot.looks.filter((look) => !missing(look));
    const cells = Object.fromEntries(shown.map((look) => [look.name, withLook(look)]));
    update({ looks: { ...looks, errors: {} } });
    attempt(() => post("cells", { source: source.id, frame, recipe: {}, cells, request: `presets ${request}`, order: request }));
  } else if (!looks.layers.length || looks.model !== valueOf("network.model")) {
    attempt(() => post("layers", { model: valueOf("network.model"), request }));
  } else {
    const cells = Object.fromEntries(
      looks.layers.map((layer) => [layer, { ...state.recipe, network: { ...state.recipe.network, layers: `${layer}=1` } }]),
    );
    attempt(() => post("cells", { source: source.id, frame, recipe: {}, cells, request: `layers ${request}`, order: request }));
  }
}

export function takeLayers(told) {
  if (!told.layers) return;
  update({ looks: { ...state.looks, layers: told.layers, layerPictures: {}, model: valueOf("network.model") } });
  dreamLooks();
}

export function takeCell(told) {
  const [tab, number] = String(told.request).split(" ");
  if (Number(number) !== request || told.error === "cancelled") return;
  const looks = { ...state.looks };
  const where = tab === "presets" ? "pictures" : "layerPictures";
  if (told.error) looks.errors = { ...looks.errors, [told.name]: told.error };
  else if (told.picture) looks[where] = { ...looks[where], [told.name]: told.picture };
  update({ looks });
}

function show(tab) {
  update({ looks: { ...state.looks, tab } });
  dreamLooks();
}

export function lookStrip() {
  const { looks, preset } = state;
  const isPresets = looks.tab === "presets";
  const entries = isPresets
    ? state.boot.looks.map((look) => ({
        name: look.name, about: look.purpose, other: missing(look), picture: looks.pictures[look.name], taken: preset === look.name,
        use: () => take(look),
      }))
    : looks.layers.map((name) => ({
        name, about: `what the layer ${name} likes to see`, picture: looks.layerPictures[name],
        taken: valueOf("network.layers") === `${name}=1`, use: () => takeLayer(name),
      }));
  return html`
    <section class="looks" aria-label="Looks">
      <div class="row heads" role="tablist" aria-label="Kinds of looks">
        <button role="tab" aria-selected=${isPresets} @click=${() => show("presets")}>Presets</button>
        <button role="tab" aria-selected=${!isPresets} @click=${() => show("layers")} data-layers>Layers</button>
        <button class="quiet" @click=${() => edit(withLook({ name: "", recipe: {} }), { preset: "" })} data-plain>
          Plain look
        </button>
      </div>
      <ul class="strip" tabindex="-1">
        ${entries.map(
          (one) => html`
            <li>
              <button aria-pressed=${Boolean(one.taken)} @click=${one.use} title=${one.about} data-look=${one.name}>
                ${one.picture
                  ? html`<img alt="" src=${address(`picture/${one.picture}`)} />`
                  : one.other
                    ? html`<span class="none">${one.other}</span>`
                    : looks.errors[one.name]
                    ? html`<span class="none" title=${looks.errors[one.name]}>not here</span>`
                    : html`<span class="none pulse"></span>`}
                <span class="name">${one.name}</span>
              </button>
            </li>
          `,
        )}
        ${entries.length ? nothing : html`<li class="hint">Loading the layers …</li>`}
      </ul>
    </section>
  `;
}

// Opening films, pictures, songs and recipes: by dropping them, choosing them, or from a folder that was opened.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { address, get, post, upload } from "./server.js";
import { dreamLooks } from "./looks.js";
import { dreamStill } from "./stage.js";
import { attempt, check, edit, say, setValue, state, timeline, update, valueOf } from "./store.js";

const KEPT = "dreamvideo-work";
const PICTURES = /\.(png|jpe?g|tiff?|webp|bmp|heic|heif|avif)$/i;

export function dropZone() {
  const films = state.boot.files.filter((one) => ["film", "picture", "frames"].includes(one.kind));
  return html`
    <section class="empty">
      <div class="drop" data-drop>
        <img src="/page/icon.svg" alt="" width="72" height="72" />
        <h1>Drop a film here</h1>
        <p>or pictures, a folder's worth of frames, a song, a recipe, or something that was dreamed before</p>
        <div class="row">
          <button class="primary" @click=${() => choose()} data-choose>Choose a file…</button>
          <button @click=${() => openSource("noise:")}>Begin with noise</button>
        </div>
        <p class="hint">Nothing leaves this machine. What you render lies in <code>${state.boot.folder}</code></p>
      </div>
      ${films.length
        ? html`<h2>Or open one of these</h2>
            <ul class="shelf">
              ${films.map(
                (one) => html`<li>
                  <button @click=${() => openSource(one.id)} data-file=${one.name}>
                    <img loading="lazy" alt="" src=${address(`frame/${one.id}/0`, { height: 120 })} /><span
                      >${one.name}</span
                    >
                  </button>
                </li>`,
              )}
            </ul>`
        : nothing}
    </section>
  `;
}

/** Let the user choose files, and open them: for what they are, or for the recipes that they were made with. */
export function choose({ forRecipe = false } = {}) {
  const input = Object.assign(document.createElement("input"), { type: "file", multiple: !forRecipe, id: "chooser" });
  input.style.display = "none";
  input.onchange = () => {
    openFiles([...input.files], { forRecipe });
    input.remove();
  };
  document.body.append(input);
  input.click();
}

/** Return the files that were dropped, those of folders among them, in order. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = await Promise.all(entries.map(filesOf));
  return found.flat().sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
    if (!some.length) return found;
    for (const inner of some) if (inner.isFile && PICTURES.test(inner.name)) found.push(...(await filesOf(inner)));
  }
}

/** Take files that were dropped or chosen: several pictures become the frames of one film. */
export async function openFiles(files, { forRecipe = false } = {}) {
  if (!files.length) return;
  const frames = files.length > 1 && files.every((one) => PICTURES.test(one.name));
  const group = frames ? `${files[0].name.replace(/[\d_.-]*\.\w+$/, "") || "frames"}-${Date.now() % 1e6}` : "";
  const kept = [];
  try {
    for (const [number, file] of files.entries()) {
      const share = (done) => update({ uploading: { name: file.name, done: (number + done) / files.length } });
      share(0);
      kept.push(await upload(file, group, share));
    }
  } catch (error) {
    say(error.message);
  }
  update({ uploading: null });
  for (const one of frames ? kept.slice(-1) : kept) await (forRecipe ? openRecipe(one.id) : take(one));
  state.boot.files = (await attempt(() => get("files"))) ?? state.boot.files;
  update({});
}

/** Use a file for what it is. */
async function take(file) {
  if (file.kind === "sound") {
    setValue("music.music", `@${file.id}`);
    listenTo();
    if (!state.source) say(`${file.name} is the music: now drop a film or a picture.`);
  } else if (file.kind === "recipe") await openRecipe(file.id);
  else if (["film", "picture", "frames"].includes(file.kind)) await openSource(file.id);
  else say(`${file.name} is no film, picture, song or recipe that the studio can open.`);
}

/** Open the recipe in a .toml, or in something that was dreamed. */
export async function openRecipe(id, gallery = false) {
  const opened = await attempt(() => post("open-recipe", { id, gallery }));
  if (!opened) return false;
  edit(opened.recipe, { preset: "" });
  if (opened.notices.length) say(opened.notices.join(" "));
  return true;
}

/** Open a source, and dream its frame. */
export async function openSource(id, frame = 0, quietly = false) {
  const opened = await attempt(() => post("open", { id }));
  if (!opened) {
    if (quietly) update({ message: "" });
    return;
  }
  update({
    source: opened, view: quietly ? state.view : "dream", frame, analysis: {}, stretch: null, output: { ...state.output, name: stem(opened.name) },
    looks: { ...state.looks, pictures: {}, layerPictures: {}, errors: {} },
    still: { picture: "", level: -1, levels: 0, done: 0, total: 0, error: "", notices: [], busy: false },
  });
  await check();
  update({ frame: Math.min(state.frame, timeline().count - 1) }); // it may have been moved meanwhile
  dreamStill();
  dreamLooks();
  listenTo();
}

/** Look through the film, and listen to its music. */
export function listenTo() {
  if (!state.source) return;
  update({ analysis: { cuts: state.analysis.cuts } });
  attempt(() => post("analyse", { source: state.source.id, music: valueOf("music.music") }));
}

const stem = (name) => `${name.replace(/\.\w+$/, "").replace(/:$/, "")}-dream`;

/** Keep what is worked on, so that it is there when the page is loaded again. */
export function remember() {
  if (!state.source) return;
  const { source, frame, recipe, preset } = state;
  localStorage.setItem(KEPT, JSON.stringify({ source: source.id, frame, recipe, preset }));
}

export function restore() {
  try {
    return JSON.parse(localStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

"use strict";

// The data of the page: columns of equal length, and pictures as lines of base64, `data.chunk` lines in a block.
const data = JSON.parse(document.getElementById("data").textContent);
const samples = data.columns;
const blocks = { thumbnails: blocksOf("thumbnails"), steps: blocksOf("steps") };

const CELL = 148, GAP = 16, CAPTION = 42, MARGIN = 22; // pixels: least width of a cell, and the space around it
const AHEAD = 3; // rows that are drawn above and below the visible ones

const $ = (id) => document.getElementById(id);
const scroller = $("scroller"), grid = $("grid"), filters = $("filters"), hint = $("hint"), dialog = $("sample");

let matches = []; // indices of the samples that pass the filters
let active = 0; // index in `matches` of the active sample
let columns = 1, rowHeight = 1;
const rows = new Map(); // the row elements that are in the page, by row number

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function draw(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

// --- pictures

function blocksOf(name) {
  return Array.from(document.querySelectorAll(`script[data-pictures="${name}"]`), (element) => ({ element, lines: null }));
}

function picture(name, index) {
  const block = blocks[name][Math.floor(index / data.chunk)];
  block.lines ??= block.element.textContent.trim().split("\n");
  const line = block.lines[index % data.chunk];
  return line === "-" ? "" : `data:image/webp;base64,${line}`;
}

// --- filters

const TESTS = {
  op: (i, value) => samples.ops[i].includes(value),
  blend: (i, value) => samples.blends[i].includes(value),
  class_name: (i, value) => samples.class_name[i] === value,
  plane: (i, value) => samples.plane[i] === value,
};

function setUpFilters() {
  const layers = [...new Set(samples.layer)].sort();
  $("layers").hidden = layers.at(-1) === 0; // a method without layers
  for (const layer of layers) {
    const button = make("button", { type: "button", textContent: layer || "clean", value: layer });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      filter();
    });
    $("layers").append(button);
  }
  const values = {
    op: samples.ops.flat(),
    blend: samples.blends.flat(),
    class_name: samples.class_name,
    plane: samples.plane,
  };
  for (const [name, all] of Object.entries(values)) {
    const sorted = [...new Set(all)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const options = sorted.map((value) => make("option", { value: `=${value}`, textContent: value || "(no name)" }));
    filters.elements[name].append(make("option", { value: "", textContent: "all" }), ...options);
  }
  filters.addEventListener("change", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => {
    for (const button of pressedLayers()) button.setAttribute("aria-pressed", "false");
    setTimeout(filter); // after the reset has emptied the fields
  });
}

function pressedLayers() {
  return [...$("layers").querySelectorAll('[aria-pressed="true"]')];
}

function filter() {
  const layers = new Set(pressedLayers().map((button) => Number(button.value)));
  const asked = Object.keys(TESTS).filter((name) => filters.elements[name].value);
  const passes = (i) =>
    (!layers.size || layers.has(samples.layer[i])) &&
    asked.every((name) => TESTS[name](i, filters.elements[name].value.slice(1)));
  matches = samples.key.map((_, i) => i).filter(passes);
  active = 0;
  scroller.scrollTop = 0;
  const all = data.found > samples.key.length ? `${data.first ? "the first " : ""}${number(samples.key.length)} ${data.first ? "" : "drawn at random "}of ${number(data.found)}` : number(data.found);
  const of = data.question ? `samples with ${data.question}` : "samples";
  $("count").textContent = matches.length < samples.key.length ? `${number(matches.length)} of ${all} ${of}` : `${all} ${of}`;
  $("nothing").hidden = matches.length > 0;
  lay();
}

function number(value) {
  return value.toLocaleString("en");
}

// --- the grid: only visible rows, and some around them, are in the page

function lay() {
  columns = Math.max(1, Math.floor((grid.clientWidth + GAP) / (CELL + GAP)));
  const side = (grid.clientWidth - (columns - 1) * GAP) / columns;
  rowHeight = Math.ceil(side) + CAPTION + GAP;
  grid.style.height = `${Math.ceil(matches.length / columns) * rowHeight + MARGIN}px`;
  for (const row of rows.values()) row.remove();
  rows.clear();
  fill();
}

function fill() {
  const count = Math.ceil(matches.length / columns);
  const first = Math.max(0, Math.floor((scroller.scrollTop - MARGIN) / rowHeight) - AHEAD);
  const last = Math.min(count - 1, Math.floor((scroller.scrollTop + scroller.clientHeight) / rowHeight) + AHEAD);
  for (const [index, row] of rows) {
    if (index < first || index > last) {
      row.remove();
      rows.delete(index);
    }
  }
  for (let index = first; index <= last; index++) {
    if (rows.has(index)) continue;
    const row = make("div", { className: "row" });
    row.setAttribute("role", "presentation");
    row.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    row.style.transform = `translateY(${MARGIN + index * rowHeight}px)`;
    const end = Math.min(matches.length, (index + 1) * columns);
    for (let place = index * columns; place < end; place++) row.append(cell(place));
    grid.append(row);
    rows.set(index, row);
  }
  mark();
}

function cell(place) {
  const i = matches[place];
  const image = make("img", { src: picture("thumbnails", i), alt: "", decoding: "async", draggable: false });
  const note = [samples.layer[i] ? `layer ${samples.layer[i]}` : "", samples.plane[i], samples.class_name[i]];
  const element = make(
    "div",
    { className: "cell", id: `cell-${place}` },
    image,
    make("b", { textContent: heading(i) }),
    make("span", { textContent: note.filter(Boolean).join(" · ") }),
  );
  element.dataset.place = place;
  element.setAttribute("role", "option");
  element.setAttribute("aria-posinset", place + 1);
  element.setAttribute("aria-setsize", matches.length);
  return element;
}

function heading(i) {
  return samples.recipe[i] === "image" ? "before mixing" : [...samples.ops[i], ...samples.blends[i]].join(" · ");
}

function stage(i) {
  return samples.layer[i] ? `Layer ${samples.layer[i]}` : samples.method[i];
}

function mark() {
  for (const element of grid.querySelectorAll(".cell")) {
    element.setAttribute("aria-selected", String(Number(element.dataset.place) === active));
  }
  if (matches.length) grid.setAttribute("aria-activedescendant", `cell-${active}`);
  else grid.removeAttribute("aria-activedescendant");
}

function activate(place) {
  active = Math.max(0, Math.min(matches.length - 1, place));
  const top = MARGIN + Math.floor(active / columns) * rowHeight;
  if (top - MARGIN < scroller.scrollTop) scroller.scrollTop = top - MARGIN;
  else if (top + rowHeight > scroller.scrollTop + scroller.clientHeight) {
    scroller.scrollTop = top + rowHeight - scroller.clientHeight;
  }
  fill();
}

// --- the recipe on hover, and for the active sample

function showHint(element) {
  const i = matches[Number(element.dataset.place)];
  hint.replaceChildren(samples.recipe[i], make("span", { textContent: `${samples.key[i]} · ${samples.source[i]}` }));
  hint.hidden = false;
  const box = element.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - hint.offsetWidth - 12);
  const above = box.bottom + hint.offsetHeight + 12 > innerHeight;
  hint.style.left = `${Math.max(12, left)}px`;
  hint.style.top = `${above ? box.top - hint.offsetHeight - 8 : box.bottom + 8}px`;
}

function hideHint() {
  hint.hidden = true;
}

// --- one sample, explained

function open(place) {
  activate(place);
  if (!matches.length) return;
  hideHint();
  const i = matches[active];
  $("title").textContent = samples.recipe[i] === "image" ? "Before mixing" : `${stage(i)} · ${heading(i)}`;
  $("subtitle").textContent = [samples.key[i], samples.class_name[i], samples.source[i]].filter(Boolean).join(" · ");
  $("recipe").textContent = samples.recipe[i];
  $("previous").disabled = active === 0;
  $("next").disabled = active === matches.length - 1;
  if (!dialog.open) dialog.showModal();
  const steps = picture("steps", i);
  $("note").textContent = steps ? "" : data.unillustrated;
  drawTree($("tree"), {
    tree: treeOf(i),
    steps,
    result: picture("thumbnails", i),
    captions: { picture: `no. ${samples.picture[i]}` },
  });
}

// --- events

const MOVES = {
  ArrowLeft: () => -1,
  ArrowRight: () => 1,
  ArrowUp: () => -columns,
  ArrowDown: () => columns,
  PageUp: () => -columns * Math.max(1, Math.floor(scroller.clientHeight / rowHeight)),
  PageDown: () => columns * Math.max(1, Math.floor(scroller.clientHeight / rowHeight)),
  Home: () => -matches.length,
  End: () => matches.length,
};

grid.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in MOVES) activate(active + MOVES[event.key]());
  else if (event.key === "Enter" || event.key === " ") open(active);
  else if (event.key === "Escape") return hideHint();
  else return;
  event.preventDefault();
  const element = $(`cell-${active}`);
  if (element && !dialog.open) showHint(element);
});
grid.addEventListener("blur", hideHint);
grid.addEventListener("pointerover", (event) => {
  const element = event.target.closest(".cell");
  if (element) showHint(element);
  else hideHint();
});
grid.addEventListener("pointerleave", hideHint);
grid.addEventListener("click", (event) => {
  const element = event.target.closest(".cell");
  if (element) open(Number(element.dataset.place));
});
let waiting = false;
scroller.addEventListener("scroll", () => {
  hideHint();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    fill();
  });
}, { passive: true });
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" && active > 0) open(active - 1);
  if (event.key === "ArrowRight" && active < matches.length - 1) open(active + 1);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // a click on the page around it
});
dialog.addEventListener("close", () => grid.focus({ preventScroll: true }));
$("previous").addEventListener("click", () => open(active - 1));
$("next").addEventListener("click", () => open(active + 1));
$("close").addEventListener("click", () => dialog.close());
let width = 0;
new ResizeObserver(() => {
  if (width === innerWidth && grid.childElementCount) return fill();
  width = innerWidth;
  const seen = Math.floor(scroller.scrollTop / rowHeight) * columns;
  lay();
  scroller.scrollTop = Math.floor(seen / columns) * rowHeight;
  if (dialog.open) open(active);
}).observe(scroller);

document.body.classList.toggle("small", data.small);
setUpFilters();
filter();
grid.focus({ preventScroll: true });

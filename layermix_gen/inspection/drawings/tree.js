"use strict";

// Draw the tree of a recipe as `tree.py` does: from the view on the left to the result on the right. What the steps are
// and where they stand comes from Python, in `data.trees`.

const HERO = 1.45; // how much larger than a step the result is
const NARROW = 40, WIDE = 134, BETWEEN = 22, LINES = 40, TEXT_HEIGHT = 44, SIGN = 12, MASK = 46, SPACE = 5;
const LEAST = 84, MOST = 168; // side of a step
const AROUND = { width: 64, height: 330 }; // pixels of the window and the dialog around the tree

// The tree of sample `i`: all its steps, each after its operands, and the row of the view, null where it is not used.
function treeOf(i) {
  const { arrangements, shapes, chosen, numbers } = data.trees;
  const [arrangement, names] = shapes[chosen[i]];
  const [places, viewRow] = arrangements[arrangement];
  const name = names.split(" "), number = numbers[i].split(",");
  const nodes = [];
  places.forEach(([operands, column, row], at) => {
    const of = operands.map((operand) => nodes[operand]);
    nodes.push({ name: name[at], numbers: number[at].split(" "), operands: of, column, row });
  });
  return { nodes, viewRow };
}

function walk(node) {
  return [...node.operands.flatMap(walk), node];
}

// Draw a tree into `container`. `steps` is a strip of square pictures: the view, then every step in the tree's order,
// each followed by its mask where it has one; without a strip the steps are drawn as text. `captions` are second lines
// for leaves.
function drawTree(container, { tree, steps, result, captions }) {
  const root = tree.nodes.at(-1);
  const nodes = tree.nodes.filter((node) => node.name !== "image");
  const view = { name: "image", operands: [], numbers: [], column: 0, row: tree.viewRow, frame: 0 };
  let frames = 1;
  for (const node of nodes) {
    node.frame = frames++;
    if (data.masked.includes(node.name)) node.mask = frames++;
  }
  const cards = view.row === null ? nodes : [view, ...nodes];
  const last = root.name === "image" ? view : root;

  // places
  const meets = (column) => cards.some((node) => node.column === column && node.operands.length === 2);
  const gaps = Array.from({ length: last.column }, (_, column) => (meets(column + 1) ? WIDE : NARROW));
  const room = container.parentElement.clientWidth - AROUND.width - gaps.reduce((sum, gap) => sum + gap, 0);
  const span = Math.max(...cards.map((node) => node.row)) - Math.min(...cards.map((node) => node.row));
  const tall = (innerHeight - AROUND.height - span * (LINES + BETWEEN)) / (span + 1);
  const side = Math.max(LEAST, Math.min(MOST, Math.floor(room / (last.column + HERO)), Math.floor(tall)));
  const hero = Math.round(side * HERO);
  const height = (node) => (node === last ? hero : steps ? side : TEXT_HEIGHT);
  const pitch = (steps ? side + LINES : TEXT_HEIGHT) + BETWEEN;
  const lefts = [0];
  for (const gap of gaps) lefts.push(lefts.at(-1) + side + gap);
  const uses = tree.nodes.filter((node) => node.name === "image").map((node) => node.row * pitch - BETWEEN);
  const top = Math.min(...uses, ...cards.map((node) => node.row * pitch - height(node) / 2));
  const bottom = Math.max(...cards.map((node) => node.row * pitch + height(node) / 2 + (steps || node === last ? LINES : 0)));
  const y = (node) => node.row * pitch - top;

  const svg = draw("svg", { "aria-hidden": "true" });
  const figures = cards.map((node) => card(node));
  for (const node of nodes) connect(node);
  container.style.width = `${lefts.at(-1) + hero}px`;
  container.style.height = `${bottom - top}px`;
  container.replaceChildren(svg, ...figures);

  function card(node) {
    const width = node === last ? hero : side;
    const figure = make("figure", { className: "card" });
    if (node === last && !steps) figure.append(make("img", { src: result, alt: "" }));
    else if (steps) figure.append(strip("frame", node.frame));
    else figure.classList.add("text");
    const sum = node.operands.length === 2 && !("mask" in node); // its coefficients stand where the operands meet
    const second = captions[node.name] ?? (sum ? numbers(node).slice(2) : numbers(node)).join(", ");
    figure.append(make("figcaption", {}, make("b", { textContent: name(node) }), make("span", { textContent: second })));
    Object.assign(figure.style, {
      left: `${lefts[node.column]}px`, top: `${y(node) - height(node) / 2}px`, width: `${width}px`,
    });
    return figure;
  }

  function strip(className, frame) {
    const element = make("div", { className });
    element.style.backgroundImage = `url("${steps}")`;
    element.style.backgroundSize = `${frames * 100}% 100%`;
    element.style.backgroundPosition = `${frames > 1 ? (frame / (frames - 1)) * 100 : 0}% 0`;
    return element;
  }

  function connect(node) {
    const end = [lefts[node.column] - SPACE, y(node)];
    const ink = inkOf(node);
    if (node.operands.length === 1) {
      const [operand] = node.operands;
      line(led(operand, node, end), inkOf(operand));
      arrow(end, inkOf(operand));
    } else if (node.operands.length === 2) {
      const x = lefts[node.column] - WIDE / 2;
      const half = steps && "mask" in node ? MASK / 2 : SIGN;
      node.operands.forEach((operand, index) => {
        const direction = index ? 1 : -1;
        const meeting = [x, end[1] + direction * (half + 2)];
        line(led(operand, node, meeting), inkOf(operand));
        const place = { x: x + 6, y: meeting[1] + direction * 10, class: inkOf(operand) };
        svg.append(draw("text", place, parts(node)[index]));
      });
      line(`M${x + half + 2},${end[1]} H${end[0] - 4}`, ink);
      arrow(end, ink);
      sign(node, x, end[1], ink);
    }
  }

  // The path from an operand along its row: straight into an operation, round a corner into a blend.
  function led(operand, node, [endX, endY]) {
    const blend = node.operands.length === 2;
    const isView = operand.name === "image";
    const startX = lefts[operand.column] + side + SPACE;
    const startY = isView ? y(view) : y(operand);
    const row = operand.row * pitch - top;
    if (isView && node.column === 1 && blend) {
      return `M${startX},${startY} C${(startX + endX) / 2},${row} ${endX},${row} ${endX},${endY}`;
    }
    let path = `M${startX},${startY}`;
    if (isView) path += swing(startX, startY, node.column === 1 ? endX - 4 : lefts[1] - SPACE, row);
    if (!blend) return isView && node.column === 1 ? path : `${path} H${endX - 4}`;
    const gap = lefts[node.column] - WIDE + SPACE;
    return `${path} H${gap} C${endX},${row} ${endX},${row} ${endX},${endY}`;
  }

  function swing(startX, startY, endX, endY) {
    const reach = (endX - startX) * 0.6;
    return ` C${startX + reach},${startY} ${endX - reach},${endY} ${endX},${endY}`;
  }

  function line(d, ink) {
    svg.append(draw("path", { d, class: ink }));
  }

  function arrow([x, at], ink) {
    svg.append(draw("polygon", { points: `${x},${at} ${x - 8},${at - 3.6} ${x - 8},${at + 3.6}`, class: ink }));
  }

  // The sign of a blend: a cross for `add` (upright) and `multiply` (turned), or the mask (two bars without pictures).
  function sign(node, x, at, ink) {
    if (steps && "mask" in node) {
      const mask = strip("mask", node.mask);
      Object.assign(mask.style, {
        left: `${x - MASK / 2}px`, top: `${at - MASK / 2}px`, width: `${MASK}px`, height: `${MASK}px`,
      });
      figures.push(mask);
      return;
    }
    svg.append(draw("circle", { cx: x, cy: at, r: SIGN, class: ink }));
    const arm = SIGN * 0.46;
    if ("mask" in node) line(`M${x - arm},${at - arm / 2} H${x + arm} M${x - arm},${at + arm / 2} H${x + arm}`, ink);
    else {
      const turn = node.name === "multiply" ? ` rotate(45 ${x} ${at})` : "";
      const d = `M${x - arm},${at} H${x + arm} M${x},${at - arm} V${at + arm}`;
      svg.append(draw("path", { d, class: ink, transform: turn.trim() || "rotate(0)" }));
    }
  }

  function name(node) {
    return { image: "view", picture: "picture", other: "second image" }[node.name] ?? node.name;
  }

  function numbers(node) {
    return (data.numbers[node.name] ?? []).map((text, index) => text.replace("{}", node.numbers[index]));
  }

  function parts(node) {
    const [first, second] = node.numbers.map(Number);
    let share = Number.NaN;
    if (node.name === "mean") share = first;
    else if (node.name === "paste") share = 1 - (first * second) / data.size ** 2; // its box is the second image's
    else if (data.numbers[node.name][0].startsWith("cut")) share = first / 256;
    if (Number.isNaN(share)) return numbers(node).slice(0, 2);
    return [share, 1 - share].map((one) => `${Math.round(100 * one)}%`);
  }

  function inkOf(node) {
    return walk(node).some((one) => one.name === "image") ? "image" : "picture";
  }
}

// What every panel does in the browser. Python makes the page once, as HTML; from then on it sends what changes, by
// name: values, texts, pieces of HTML, pictures. The browser sends what is asked of a control, with a running number,
// so that an older answer never moves a control that the learner has moved on.

const LARGE = 2_000_000; // bytes of a picture; a larger one is shrunk here: a message holds 10 MB at the most
const SIDE = 1_024; // pixels, of what is sent of such a picture

// A page names its controls by what they are: a number with a slider, something written, a choice, a box to tick. The
// text in it becomes the label, and a word for who points at it.
const KINDS = {
  number: name => `<input class="number" type="text" inputmode="decimal" name="${name}">`,
  written: name => `<input type="text" name="${name}">`,
  choice: name => `<select name="${name}" data-html="${name}"></select>`,
  check: name => `<input type="checkbox" name="${name}">`,
};

function stops({whole, stops}) {
  const ends = (whole ?? stops).split(" ").map(Number);
  const range = (from, to, make) => Array.from({length: to - from + 1}, (_, place) => make(from + place));
  if (whole) return range(...ends, value => value);
  const [least, most] = ends.slice(-2); // ten for each power of ten, of two digits
  const found = range(Math.round(10 * Math.log10(least)), Math.round(10 * Math.log10(most)), tenth =>
    least < 1 ? Number((10 ** (tenth / 10)).toPrecision(2)) : Math.round((10 ** (tenth / 10)).toPrecision(2)));
  return [...new Set([...ends.slice(0, -2), ...found.slice(0, -1), most])];
}

function build(root) {
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const field of root.querySelectorAll(`[data-${kind}]`)) {
      const name = field.dataset[kind], words = field.textContent;
      field.classList.add("field");
      field.innerHTML = `<label><span>${words}</span>${make(name)}</label>`;
      if (kind === "number") {
        const values = stops(field.dataset), attributes = `min="0" max="${values.length - 1}" name="${name}"`;
        field.innerHTML += `<input type="range" ${attributes} data-stops="${JSON.stringify(values)}" aria-label="${words}, slider">`;
      }
    }
  }
  for (const figure of root.querySelectorAll("figure")) {
    figure.innerHTML = '<img alt="" draggable="false"><span class="dot" hidden></span><span class="tip" hidden></span>';
  }
  for (const control of root.querySelectorAll("input, select, button")) {
    control.title ||= control.closest("[title]").title;
    control.autocomplete = "off";
    control.spellcheck = false;
    if (control.localName === "button") control.type = "button";
  }
}

function render({model, el}) {
  const root = document.createElement("div");
  root.className = "series-panel";
  root.innerHTML = model.get("page");
  build(root);
  el.append(root);
  const named = name => root.querySelectorAll(`[name="${CSS.escape(name)}"]`);
  const each = (trait, attribute, use) =>
    Object.entries(model.get(trait)).forEach(([name, value]) =>
      root.querySelectorAll(`[${attribute}="${CSS.escape(name)}"]`).forEach(part => use(part, value)));

  const ask = (name, value) => {
    const {[name]: before, ...others} = model.get("asked"); // in order of use: what is typed counts before a button
    model.set("asked", {...others, [name]: [value, (before?.[1] ?? 0) + 1]});
    model.save_changes();
  };
  root.addEventListener("click", event => {
    const button = event.target.closest("button[name]");
    if (button) ask(button.name, true);
  });
  root.addEventListener("focusin", ({target}) => {
    target.dataset.lmSuppressShortcuts = "true"; // or JupyterLab would take the arrow keys for itself
  });
  root.addEventListener("keydown", event => {
    const {key, target} = event;
    if (key === "Enter" && target.type === "text") target.dispatchEvent(new Event("change", {bubbles: true}));
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const button = root.querySelector(`button[data-key="${CSS.escape(key)}"]`);
    if (button) button.click();
  });
  root.addEventListener("input", ({target}) => {
    if (target.type !== "range") return;
    const value = JSON.parse(target.dataset.stops)[target.value];
    for (const other of named(target.name)) if (other !== target) other.value = value;
    target.setAttribute("aria-valuetext", value);
    ask(target.name, String(value));
  });
  root.addEventListener("change", ({target}) => {
    if (target.type === "file") upload(target);
    else if (target.name && target.type !== "range") {
      ask(target.name, target.type === "checkbox" ? target.checked : target.value);
    }
  });

  const put = (input, value) => {
    if (input.type === "checkbox") input.checked = value;
    else if (input.type === "range") {
      const stops = JSON.parse(input.dataset.stops), away = stops.map(stop => Math.abs(stop - value));
      input.value = away.indexOf(Math.min(...away));
      input.setAttribute("aria-valuetext", value);
    } else if (input.value !== String(value)) input.value = value;
  };
  const held = {}; // of each control: what Python last said, so that only news moves it
  const show = {
    values: () => {
      const asked = model.get("asked");
      for (const [name, [value, seen]] of Object.entries(model.get("values"))) {
        const news = held[name] !== `${seen} ${value}`; // or what is being typed would be overwritten
        if (seen < (asked[name]?.[1] ?? 0) || !news) continue;
        held[name] = `${seen} ${value}`;
        named(name).forEach(input => put(input, value));
      }
    },
    texts: () => each("texts", "data-text", (part, text) => part.textContent !== text && (part.textContent = text)),
    html: () => {
      each("html", "data-html", (part, html) => {
        if (part.dataset.held === html) return;
        part.innerHTML = part.dataset.held = html;
        const names = [part, ...part.querySelectorAll("[name]")].map(inside => inside.getAttribute("name"));
        names.forEach(name => delete held[name]);
      });
      show.values();
      show.disabled();
    },
    disabled: () => {
      for (const part of root.querySelectorAll("[name]")) {
        if (!part.parentElement.closest("[data-html]")) part.disabled = Boolean(model.get("disabled")[part.name]);
      }
    },
    hidden: () => each("hidden", "data-part", (part, hidden) => (part.hidden = hidden)),
    pictures: () => each("pictures", "data-picture", (figure, [png, alt]) => {
      const image = figure.querySelector("img"), before = image.src;
      image.alt = alt;
      image.src = URL.createObjectURL(new Blob([png], {type: "image/png"}));
      if (before.startsWith("blob:")) URL.revokeObjectURL(before);
    }),
  };
  for (const [trait, update] of Object.entries(show)) {
    update();
    model.on(`change:${trait}`, update);
  }

  // Reading a value off a curve: the nearest point under the pointer says what it is.
  const place = (figure, event) => {
    const box = figure.querySelector("img").getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top, box.width, box.height];
  };
  for (const figure of root.querySelectorAll("[data-picture]")) {
    const [dot, tip] = figure.querySelectorAll(".dot, .tip");
    const read = event => {
      const [x, y, width, height] = place(figure, event);
      let nearest = null, least = 30;
      for (const point of model.get("pictures")[figure.dataset.picture]?.[2] ?? []) {
        const away = Math.hypot(point[0] * width - x, point[1] * height - y);
        if (away < least) [nearest, least] = [point, away];
      }
      dot.hidden = tip.hidden = !nearest;
      if (!nearest) return;
      tip.textContent = nearest[2];
      dot.style.left = `${nearest[0] * width}px`;
      tip.style.left = `${Math.max(0, Math.min(nearest[0] * width - 20, width - tip.offsetWidth))}px`;
      dot.style.top = `${nearest[1] * height}px`;
      tip.style.top = `${nearest[1] * height + (nearest[1] > 0.3 ? -34 : 14)}px`;
    };
    figure.addEventListener("pointermove", read);
    figure.addEventListener("pointerdown", read);
    figure.addEventListener("pointerleave", () => (dot.hidden = tip.hidden = true));
  }

  // Drawing on a picture: the pixels, of 32 × 32, that one stroke has touched.
  for (const figure of root.querySelectorAll("[data-draw]")) {
    const [left, top, width, height] = JSON.parse(figure.dataset.draw);
    let stroke = null;
    const touch = event => {
      const [x, y, wide, high] = place(figure, event);
      const cell = [(y / high - top) / height, (x / wide - left) / width].map(share => Math.floor(32 * share));
      if (Math.min(...cell) < 0 || Math.max(...cell) > 31 || stroke.some(old => String(old) === String(cell))) return;
      stroke.push(cell);
      ask("drawn", [...stroke]);
    };
    figure.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      event.preventDefault();
      figure.setPointerCapture(event.pointerId);
      stroke = [];
      touch(event);
    });
    figure.addEventListener("pointermove", event => {
      if (stroke) for (const part of event.getCoalescedEvents?.() ?? [event]) touch(part);
    });
    for (const end of ["pointerup", "pointercancel"]) figure.addEventListener(end, () => (stroke = null));
  }

  async function upload(input) {
    const [file] = input.files;
    input.value = ""; // so that the same file can be chosen again
    if (!file) return;
    root.querySelectorAll('[data-text="said"]').forEach(part => (part.textContent = `Reading ${file.name} …`));
    const sent = {file: file.name, bytes: file.size, shrunk: null};
    let content = file;
    if (file.size > LARGE) {
      content = null;
      try {
        const bitmap = await createImageBitmap(file);
        const scale = Math.min(1, SIDE / Math.min(bitmap.width, bitmap.height));
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map(side => Math.round(side * scale));
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
        sent.shrunk = [bitmap.width, bitmap.height];
        bitmap.close();
        const jpeg = file.type === "image/jpeg" ? [file.type, 0.95] : ["image/png"];
        const made = await new Promise(done => canvas.toBlob(done, ...jpeg));
        if (made && made.size < 4 * LARGE) content = made;
      } catch {} // no picture that a browser can read: Python says so
    }
    model.send(sent, undefined, content ? [await content.arrayBuffer()] : []);
  }
}

export default {render};

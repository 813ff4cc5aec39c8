// What all parts of the page share: the data, the chosen run and time, colours, canvases, words.
const data = JSON.parse(document.getElementById('data').textContent);
const PHASES = ['waiting', 'scheduling', 'pulling', 'loading', 'ready', 'broken', 'terminating', 'gone'];
const READY = 4, BROKEN = 5, ENDING = 6, GONE = 7;
/** Held by something whose phases are not known here. */
const HELD = -1;
/** How tall a phase's bar is: the nearer to serving, the taller. */
const HEIGHT = [.14, .32, .5, .72, 1, 1, .5, 0];
/** How strong its colour is; where rows are too low for heights, this alone tells phases apart. */
const STRENGTH = [.5, .42, .5, .6, 1, .3, .8, 0];
const STRENGTH_LOW = [.14, .24, .36, .52, 1, 1, 1, 0];
const HUES = 6;
const DASHES = [[], [10, 4], [3, 3], [14, 8]];

/** What is looked at: variant, run, time, and the part of the run that is embedded. */
const view = { v: 0, r: 0, t: 0, variant: null, run: null, detail: null, end: 1 };

const byId = id => document.getElementById(id);

/** Makes an element; `content` is text or elements. */
function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...content);
  return element;
}

/** Colours of the theme in force, as far as they were asked for; emptied when it changes. */
const palette = new Map();
/** A colour of the theme, by the name of its custom property. */
function color(name) {
  if (!palette.has(name)) palette.set(name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim());
  return palette.get(name);
}
const hue = number => color('hue' + number % HUES);

/** Whether people asked for less motion. */
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// ---- words

function plural(count, noun) { return grouped(count) + ' ' + noun + (count === 1 ? '' : 's'); }
function grouped(number) { return String(number).replace(/\B(?=(\d{3})+$)/g, number > 9999 ? ',' : ''); }

/** A number with the digits that matter; as in the terminal. */
function short(value) {
  const size = Math.abs(value);
  const text = value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= .1 ? 2 : 3);
  const [whole, fraction = ''] = text.split('.');
  const rest = fraction.replace(/0+$/, '');
  return grouped(whole === '-0' && !rest ? '0' : whole).replace(/^-/, '−') + (rest ? '.' + rest : '');
}

/** An instant as a clock: h:mm:ss, with tenths in short runs. */
function clock(ms) {
  const tenths = view.end < 120000;
  const s = tenths ? Math.floor(ms / 100) / 10 : Math.floor(ms / 1000);
  const two = n => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = s - h * 3600 - m * 60;
  const seconds = tenths ? rest.toFixed(1).padStart(4, '0') : two(rest);
  return h > 0 ? h + ':' + two(m) + ':' + seconds : m + ':' + seconds;
}

/** The unit of time that fits: name and seconds. */
const lengthUnit = s => s < 120 ? ['s', 1] : s < 7200 ? ['min', 60] : s < 172800 ? ['h', 3600] : ['d', 86400];

/** Three digits of a number, as in the terminal. */
function threeDigits(value) {
  const size = Math.abs(value);
  return short(Number(value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= .1 ? 2 : 3)));
}

/** A length of time with three digits and the unit that fits. */
function lasting(s) {
  const [unit, seconds] = lengthUnit(s);
  return threeDigits(s / seconds) + ' ' + unit;
}

const UNITS = [['s', 1000, [.2, .5, 1, 2, 5, 10, 20, 30]], ['min', 60000, [1, 2, 5, 10, 15]],
  ['h', 3600000, [.5, 1, 2, 3, 6, 12]], ['d', 86400000, [1, 2, 5, 10, 20, 50, 100, 200, 500]]];
/** How far axes go beyond the end, so that a last step can be seen. */
const BEYOND = 1.015;

/** Ticks of a time axis: instants and labels. */
function ticks(end, room) {
  const most = Math.min(room, 9);
  let [unit, ms, steps] = UNITS[3], step = steps[steps.length - 1];
  find: for (const [name, size, choices] of UNITS) {
    for (const choice of choices) {
      if (end / (size * choice) <= most) { [unit, ms, step] = [name, size, choice]; break find; }
    }
  }
  const found = [];
  for (let n = 0; n * ms <= end; n += step) found.push([n * ms, n === 0 ? '0' : short(n) + ' ' + unit]);
  return found;
}

/** A name without its namespace. */
const bare = name => name.slice(name.lastIndexOf('/') + 1);
/** A topology label key without its prefix. */
const levelName = key => key.slice(key.lastIndexOf('/') + 1);
/** A revision's number among those of the run, counted from 1. */
const revisionName = revision => 'revision ' + (revision + 1);

// ---- the chosen run

/** The index of the last entry of `list[i * step]` that is not after `t`, or -1. */
function lastAt(list, step, t) {
  let low = 0, high = list.length / step;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle * step] <= t) low = middle + 1; else high = middle;
  }
  return low - 1;
}

/** The value of a flat step curve at `t`. */
function valueAt(flat, t) {
  const i = lastAt(flat, 2, t);
  return i < 0 ? 0 : flat[i * 2 + 1];
}

/** Phase, start and revision of a group at `t`, or null before it exists. */
function phaseAt(group, t) {
  const phases = group[3], i = lastAt(phases, 3, t);
  return i < 0 ? null : { phase: phases[i * 3 + 1], since: phases[i * 3], revision: phases[i * 3 + 2] };
}

// ---- canvases

/** Sizes a canvas to its place and returns its context, in CSS pixels. */
function fit(canvas, height) {
  const ratio = devicePixelRatio || 1, width = Math.max(canvas.clientWidth, 40);
  canvas.style.height = height + 'px';
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = '12px system-ui, sans-serif';
  return context;
}

/** Draws `still` once and `moving` each time: `still` is kept as a picture until something but the time changes. */
function layered(canvas, height, still, moving) {
  const context = fit(canvas, height());
  const key = [canvas.width, canvas.height, view.v, view.r, theme()].join();
  if (canvas.still?.key !== key) {
    const picture = document.createElement('canvas');
    [picture.width, picture.height] = [canvas.width, canvas.height];
    const quiet = picture.getContext('2d');
    quiet.setTransform(context.getTransform());
    quiet.font = context.font;
    still(quiet, canvas.clientWidth);
    canvas.still = { key, picture };
  }
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(canvas.still.picture, 0, 0);
  context.restore();
  moving(context, canvas.clientWidth);
}

/** Cuts text to a width. */
function cut(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(text.slice(0, end) + '…').width > width) end--;
  return text.slice(0, end) + '…';
}

/** Fills the bar of a phase in a box; `low` boxes tell phases apart by strength alone. */
function phaseBar(context, phase, revision, x, y, width, height, low) {
  if (phase === GONE) return;
  if (phase === HELD) {
    context.globalAlpha = .55;
    context.fillStyle = color('muted');
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
    return;
  }
  const strength = (low ? STRENGTH_LOW : STRENGTH)[phase];
  const tall = low ? height : Math.max(2, Math.round(height * HEIGHT[phase]));
  context.globalAlpha = strength;
  context.fillStyle = phase === BROKEN ? color('bad') : phase === ENDING ? color('ending') : hue(revision);
  context.fillRect(x, y + height - tall, width, tall);
  context.globalAlpha = 1;
  if (phase === BROKEN && !low) {
    context.strokeStyle = color('bad');
    context.strokeRect(x + .5, y + .5, Math.max(width - 1, 1), height - 1);
    context.beginPath();
    context.moveTo(x, y + height);
    context.lineTo(x + width, y);
    context.stroke();
  }
}

// ---- tip

/** Shows text near the pointer, or hides it when there is none. */
function tip(text, event) {
  const box = byId('tip');
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 6)) + 'px';
  box.style.top = (event.clientY + height + 24 > innerHeight ? event.clientY - height - 10 : event.clientY + 16) + 'px';
}

/** The theme in force: light or dark. */
function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

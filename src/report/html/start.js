// Pickers, the slider, playing, the theme; and the start.
const STEPS = 1000;
let changes = [], playing = 0;

function drawAll() {
  curve.draw();
  gantt.draw();
  map.draw();
  markList();
  const wanted = view.detail ? valueAt(view.detail.wanted, view.t) : view.variant.groups;
  const i = view.detail ? 0 : lastAt(view.variant.ready.t, 1, view.t);
  const ready = view.detail ? valueAt(view.detail.ready, view.t) : i < 0 ? 0 : view.variant.ready.median[i];
  byId('clock').textContent = clock(view.t);
  byId('groups-ready-now').textContent = ready;
  byId('groups-wanted-now').textContent = wanted;
  byId('slider').setAttribute('aria-valuetext', `${clock(view.t)}, ${ready} of ${wanted} groups ready`);
  document.documentElement.dataset.time = Math.round(view.t);
}

function setTime(t, fromSlider) {
  view.t = Math.max(0, Math.min(view.end, t));
  if (!fromSlider) byId('slider').value = Math.round(view.t / view.end * STEPS);
  drawAll();
}

/** Looks at a run. */
function choose(v, r, t) {
  view.v = v;
  view.variant = data.variants[v];
  view.r = Math.min(r, view.variant.runs.length - 1);
  view.run = view.variant.runs[view.r];
  view.detail = view.run.detail;
  view.end = Math.max(view.run.end_ms, 1);
  changes = view.detail ? [...new Set(view.detail.groups.flatMap(group => group[3].filter((_, i) => i % 3 === 0)).concat(view.detail.marks.map(mark => mark[0])))].sort((a, b) => a - b) : [];
  byId('variant').value = v;
  byId('seed').replaceChildren(...view.variant.runs.map((run, i) => make('option', { value: i, selected: i === view.r }, run.seed + (run.outcome === 'settled' ? '' : ' (' + run.outcome + ')'))));
  byId('seed-label').hidden = view.variant.runs.length < 2;
  document.documentElement.dataset.groups = view.variant.groups || (view.detail ? view.detail.groups_total : 0);
  drawRun();
  curve.legend();
  setTime(Math.min(t, view.end));
}

/** Stops or starts playing: from here, or from the start when at the end. */
function play(on) {
  cancelAnimationFrame(playing);
  playing = 0;
  const button = byId('play');
  button.textContent = on ? '❚❚' : '▶';
  button.title = on ? 'Pause' : 'Play';
  button.setAttribute('aria-label', button.title);
  if (!on) return;
  if (view.t >= view.end) setTime(0);
  const seconds = 14;
  let before = null;
  const frame = now => {
    before ??= now;
    // Whoever asked for less motion sees steps instead of a film.
    if (!calm.matches || now - before > 900) {
      setTime(view.t + (now - before) / 1000 / seconds * view.end);
      before = now;
    }
    if (view.t >= view.end) play(false); else playing = requestAnimationFrame(frame);
  };
  playing = requestAnimationFrame(frame);
}

const THEMES = { '': 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' };
function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  byId('theme').textContent = THEMES[name];
  // Storage may be closed to pages from disk; the choice then lasts as long as the page.
  try { localStorage.setItem('lwsim-theme', name); } catch { /* as above */ }
}
function savedTheme() {
  try { const name = localStorage.getItem('lwsim-theme'); return name in THEMES ? name : ''; } catch { return ''; }
}
function repaint() {
  palette.clear();
  curve.legend();
  drawAll();
}

byId('theme').onclick = () => {
  const names = Object.keys(THEMES), now = document.documentElement.dataset.theme || '';
  setTheme(names[(names.indexOf(now) + 1) % names.length]);
  repaint();
};
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
byId('variant').onchange = event => choose(Number(event.target.value), view.r, view.t);
byId('seed').onchange = event => choose(view.v, Number(event.target.value), view.t);
byId('slider').oninput = event => { play(false); setTime(event.target.value / STEPS * view.end, true); };
byId('play').onclick = () => play(!playing);
byId('before').onclick = () => { play(false); const i = changes.findLastIndex(t => t < view.t); setTime(i < 0 ? 0 : changes[i]); };
byId('after').onclick = () => { play(false); setTime(changes.find(t => t > view.t) ?? view.end); };
let resized = 0;
addEventListener('resize', () => { cancelAnimationFrame(resized); resized = requestAnimationFrame(drawAll); });

for (const canvas of document.querySelectorAll('main canvas')) canvas.addEventListener('contextrestored', repaint);
setTheme(savedTheme());
drawScenario();
drawGrid();
if (data.variants.some(variant => variant.runs.length)) {
  byId('variant').append(...data.variants.map((variant, v) => make('option', { value: v }, variant.name)));
  byId('variant-label').hidden = data.variants.length < 2;
  // A rollout's picture is fullest at its middle; a run without one at its end.
  const first = data.variants[0].runs[0];
  const rollout = first.rollouts[0];
  const at = rollout ? (rollout.start_s + (rollout.rollout_duration_s ?? 0) / 2) * 1000 : first.end_ms;
  choose(0, 0, at);
}
document.documentElement.dataset.drawn = 'true';

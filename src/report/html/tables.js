// Everything that is text: verdict, chains of waits, what happened, metrics, gates, the scenario.
const OUTCOMES = { settled: ['Settled', 'good'], stuck: ['Stuck', 'bad'], horizon: ['Not finished', 'warn'], error: ['Broken off', 'bad'] };
const KINDS = { action: 'timeline', rollout: 'rollout', node: 'node', warning: 'warning', event: 'event' };
const shownKinds = new Set(['action', 'rollout', 'node', 'warning']);
const CHAINS_MAX = 8;

/** A metric's value with its unit. */
function figure(metric, value) {
  if (value === null || value === undefined) return '–';
  return metric.unit === 's' ? lasting(value) : short(value) + (metric.unit ? ' ' + metric.unit : '');
}

/** Lowest to highest, in the unit of the mean. */
function range(metric, { mean, min, max }) {
  if (metric.unit !== 's') return `${short(min)}–${short(max)}`;
  const [, seconds] = lengthUnit(mean);
  return `${threeDigits(min / seconds)}–${threeDigits(max / seconds)}`;
}

/** What does not depend on the chosen run. */
function drawScenario() {
  const { scenario } = data;
  byId('title').textContent = scenario.name;
  byId('about').textContent = scenario.about;
  byId('version').textContent = data.lwsim;
  byId('source').textContent = scenario.text;
  const missed = data.gates.filter(gate => !gate.passed).length;
  if (data.gates.length) {
    byId('gate-verdict').hidden = false;
    byId('gate-verdict').append(make('span', { class: 'badge ' + (missed ? 'bad' : 'good') }, missed ? 'Gates missed' : 'Gates met'),
      make('span', {}, missed ? `${missed} of ${data.gates.length}` : plural(data.gates.length, 'gate')));
    const rows = data.gates.map(gate => make('tr', {}, make('td', { class: 'words' }, make('code', {}, gate.gate)), make('td', { class: 'words' }, gate.variant),
      make('td', {}, gate.value === null ? 'no value' : short(gate.value)), make('td', {}, make('span', { class: 'badge ' + (gate.passed ? 'good' : 'bad') }, gate.passed ? 'met' : 'missed'))));
    byId('gates').append(make('h3', {}, 'Gates'), scrolling('Gates', table(['Gate', 'Variant', 'Value', 'Verdict'], rows)));
  }
  if (data.not_modelled.length) {
    byId('not-modelled').append(make('h3', {}, 'Not modelled'), make('ul', {}, ...data.not_modelled.map(what => make('li', {}, what))));
  }
}

function table(heads, rows) {
  return make('table', {}, make('thead', {}, make('tr', {}, ...heads.map(head => make('th', { scope: 'col', class: head === 'Variant' ? 'words' : null }, head)))), make('tbody', {}, ...rows));
}
function scrolling(label, content) { return make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, content); }

/** The table of a grid: each cell leads to its variant. */
function drawGrid() {
  byId('grid').hidden = data.grid.length === 0;
  byId('grid-legend').textContent = data.grid_legend + '. Pick a cell to look at its variant.';
  byId('grid-parts').append(...data.grid.flatMap(({ title, head: [axes, columns], rows }) => {
    const heads = [...axes.map(axis => make('th', { scope: 'col', class: 'words' }, axis)), ...columns.map(values => make('th', { scope: 'col' }, values.join(' ')))];
    const lines = rows.map(([names, cells, places]) => make('tr', {}, ...names.map(name => make('th', { scope: 'row' }, name)), ...cells.map((text, i) => {
      if (places[i] === null) return make('td', {}, text);
      const pick = make('button', { type: 'button', class: 'quiet', 'aria-label': `${text}, ${data.variants[places[i]].name}` }, text);
      pick.onclick = () => choose(places[i], 0, Infinity);
      return make('td', {}, pick);
    })));
    const drawn = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...lines));
    return [...(title ? [make('h3', {}, title)] : []), scrolling(title || 'All variants', drawn)];
  }));
}

/** What depends on the chosen run but not on the time. */
function drawRun() {
  const { variant, run } = view;
  const [word, tone] = OUTCOMES[run.outcome];
  byId('outcome').textContent = word;
  byId('outcome').className = 'badge ' + tone;
  byId('headline').textContent = data.variants.length > 1 || variant.runs.length > 1 ? `${variant.name}: ${variant.headline}` : run.headline;
  byId('stuck').hidden = run.waits.length === 0;
  byId('stuck-title').textContent = run.outcome === 'stuck' ? 'Why it is stuck' : 'What groups wait for';
  byId('chains').replaceChildren(...run.waits.slice(0, CHAINS_MAX).map(({ group, chain }) => make('div', { class: 'chain' }, make('strong', {}, bare(group)),
    make('ol', {}, ...chain.map(({ object, waits_for }) => make('li', {}, make('code', {}, object), ' waits for ' + waits_for))))));
  if (run.waits.length > CHAINS_MAX) byId('chains').append(make('p', { class: 'muted' }, `and ${plural(run.waits.length - CHAINS_MAX, 'more group')}`));
  drawMetrics();
  drawRollouts();
  drawFacts();
  drawKinds();
  drawList();
}

function drawMetrics() {
  const several = data.variants.length > 1, seeds = Math.max(...data.variants.map(variant => variant.runs.length));
  byId('metrics-lead').textContent = seeds > 1 ? `Mean over ${seeds} seeds, with the lowest and highest` : '';
  const heads = [make('th', { scope: 'col' }, 'Metric')];
  data.variants.forEach((variant, v) => heads.push(make('th', { scope: 'col', class: several && v === view.v ? 'chosen' : null }, several ? variant.name : 'Value')));
  if (view.variant.runs.length > 1) heads.push(make('th', { scope: 'col' }, `Seed ${view.run.seed}`));
  const rows = data.metrics.map(metric => {
    const means = data.variants.map(variant => variant.statistics[metric.name]?.mean ?? null);
    const known = means.filter(mean => mean !== null);
    const best = several && metric.better && known.some(mean => mean !== known[0]) ? Math[metric.better === 'lower' ? 'min' : 'max'](...known) : null;
    const cells = data.variants.map((variant, v) => {
      const s = variant.statistics[metric.name];
      const cell = make('td', { class: [best !== null && means[v] === best ? 'best' : '', several && v === view.v ? 'chosen' : ''].join(' ').trim() || null });
      if (!s || s.mean === null) { cell.append('–'); return cell; }
      cell.append(figure(metric, s.mean));
      if (s.max > s.min) cell.append(make('small', {}, ' ' + range(metric, s)));
      if (s.n < variant.runs.length) cell.append(make('small', {}, ` (${s.n} of ${variant.runs.length} runs)`));
      return cell;
    });
    if (view.variant.runs.length > 1) cells.push(make('td', {}, figure(metric, view.run.metrics[metric.name])));
    return make('tr', {}, make('th', { scope: 'row' }, make('span', { class: 'mono' }, metric.name), make('small', {}, metric.about)), ...cells);
  });
  byId('metrics').replaceChildren(make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...rows));
}

function drawRollouts() {
  const box = byId('rollouts');
  box.replaceChildren();
  if (!view.run.rollouts.length) return;
  const rows = view.run.rollouts.map(r => make('tr', {}, make('td', {}, bare(r.set) + ' #' + r.number), make('td', {}, clock(r.start_s * 1000)),
    make('td', {}, r.rollout_duration_s === null ? (r.superseded ? 'overtaken' : 'never finished') : lasting(r.rollout_duration_s)),
    make('td', {}, r.rollout_groups_ready_min), make('td', {}, r.rollout_surge_groups_max)));
  box.append(make('h3', {}, 'Rollouts of this run'), scrolling('Rollouts', table(['Rollout', 'Start', 'Took', 'Fewest ready', 'Most surge'], rows)));
}

function drawFacts() {
  const { scenario } = data, { variant, run } = view, nodes = data.nodes[variant.nodes];
  const accelerators = nodes.accelerators.reduce((sum, n) => sum + n, 0);
  const domains = nodes.levels.map((key, level) => plural(new Set(nodes.paths.map(path => path.slice(0, level + 1).join('/'))).size, levelName(key)));
  const facts = [
    ['Kubernetes', scenario.kubernetes],
    ['Nodes', [plural(nodes.names.length, 'node') + ' with ' + plural(accelerators, 'accelerator'), ...domains].join(', ')],
    ['Runs', `${plural(scenario.seeds, 'seed')} for each of ${plural(data.variants.length, 'variant')}, at most ${lasting(scenario.horizon_ms / 1000)} each`],
    ['This run', `${variant.name}, seed ${run.seed}, ended after ${lasting(run.end_ms / 1000)}`],
  ];
  const list = byId('facts');
  list.replaceChildren(...facts.flatMap(([term, text]) => [make('dt', {}, term), make('dd', {}, text)]));
  if (variant.overrides.length) {
    const items = variant.overrides.map(([path, value]) => make('div', {}, make('code', {}, path + ': ' + (typeof value === 'string' ? value : JSON.stringify(value)))));
    list.append(make('dt', {}, 'Set differently'), make('dd', {}, ...items));
  }
  const rows = variant.sets.map(set => make('tr', {}, make('td', {}, set.name), make('td', {}, grouped(set.replicas)), make('td', {}, set.size), make('td', {}, set.accelerators_per_pod), make('td', { class: 'words' }, set.profile)));
  byId('sets').replaceChildren(...table(['Set', 'Groups', 'Pods in a group', 'Accelerators a pod', 'Profile'], rows).children);
}

function drawKinds() {
  const marks = view.detail ? view.detail.marks : [];
  byId('events').hidden = marks.length === 0;
  const present = Object.keys(KINDS).filter(kind => marks.some(mark => mark[1] === kind));
  byId('event-kinds').replaceChildren(...present.map(kind => {
    const box = make('input', { type: 'checkbox', checked: shownKinds.has(kind) });
    box.onchange = () => { shownKinds[box.checked ? 'add' : 'delete'](kind); drawList(); };
    return make('label', {}, box, `${KINDS[kind]} (${marks.filter(mark => mark[1] === kind).length})`);
  }));
  byId('event-note').textContent = view.detail?.marks_left_out ? `${grouped(view.detail.marks_left_out)} more in the event file` : '';
}

function drawList() {
  let number = 0;
  const items = [];
  for (const [t, kind, text, times] of view.detail ? view.detail.marks : []) {
    const flag = kind === 'action' || kind === 'node' ? ++number + ' · ' : '';
    if (!shownKinds.has(kind)) continue;
    const jump = make('button', { type: 'button', 'aria-label': 'Go to ' + clock(t) }, clock(t));
    jump.onclick = () => setTime(t);
    const item = make('li', {}, jump, make('span', { class: 'kind kind-' + kind }, flag + KINDS[kind]), make('span', {}, text + (times > 1 ? ` (${times} times)` : '')));
    item.at = t;
    items.push(item);
  }
  byId('event-list').replaceChildren(...items);
  markList();
}

/** Marks the last thing that has happened at the chosen time. */
function markList() {
  let current = null;
  for (const item of byId('event-list').children) {
    item.removeAttribute('aria-current');
    if (item.at <= view.t) current = item;
  }
  current?.setAttribute('aria-current', 'true');
}

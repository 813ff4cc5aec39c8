// Gantt chart of groups: a row for each, taller bars nearer to serving, colours by revision.
const gantt = (() => {
  const canvas = byId('gantt');
  const ROWS_MAX = 320;
  let rows = [], row = 22, left = 60, chosen = -1;
  const pad = { right: 10, top: 18, bottom: 24 };

  function measure() {
    const all = view.detail ? view.detail.groups : [];
    rows = all.length <= ROWS_MAX ? all.map((_, i) => i) : Array.from({ length: ROWS_MAX }, (_, i) => Math.floor(i * all.length / ROWS_MAX));
    row = rows.length <= 12 ? 26 : rows.length <= 30 ? 20 : rows.length <= 64 ? 12 : rows.length <= 160 ? 4 : 2;
    const c = canvas.getContext('2d');
    c.font = '12px system-ui, sans-serif';
    const longest = rows.reduce((w, i) => Math.max(w, c.measureText(bare(all[i][0])).width), 20);
    left = Math.min(longest + 12, innerWidth < 640 ? 92 : 190);
    chosen = Math.min(chosen, rows.length - 1);
  }
  const height = () => pad.top + rows.length * row + pad.bottom;
  const low = () => row < 10;
  const x = (t, width) => left + (width - left - pad.right) * Math.min(t / view.end, 1) / BEYOND;

  function still(c, width) {
    const bottom = height() - pad.bottom;
    c.textBaseline = 'middle'; c.textAlign = 'center'; c.strokeStyle = color('line'); c.lineWidth = 1;
    for (const [t, label] of ticks(view.end, (width - left) / 75)) {
      const at = Math.round(x(t, width)) + .5;
      c.beginPath(); c.moveTo(at, pad.top); c.lineTo(at, bottom); c.stroke();
      c.fillStyle = color('muted');
      if (at < width - 18) c.fillText(label, at, height() - 9);
    }
    const every = Math.ceil(14 / row), gap = low() ? 0 : row > 12 ? 3 : 1;
    rows.forEach((g, i) => {
      const group = view.detail.groups[g], top = pad.top + i * row;
      if (i % every === 0) {
        c.textAlign = 'right'; c.fillStyle = color(low() ? 'muted' : 'ink');
        c.fillText(cut(c, bare(group[0]), left - 10), left - 8, top + (low() ? 7 : row / 2 + .5));
      }
      const p = group[3];
      for (let k = 0; k < p.length; k += 3) {
        const from = x(p[k], width), to = x(k + 3 < p.length ? p[k + 3] : view.end, width);
        if (to > from) phaseBar(c, p[k + 1], p[k + 2], from, top + gap, Math.max(to - from, .75), row - gap - (low() ? 0 : 1), low());
      }
    });
    flags(c, t => x(t, width), 8, pad.top, bottom, width);
  }

  function moving(c, width) {
    if (chosen >= 0) {
      c.strokeStyle = color('accent'); c.lineWidth = 2;
      c.strokeRect(left - 1, pad.top + chosen * row, width - left - pad.right + 2, Math.max(row, 3));
    }
    cursor(c, x(view.t, width), pad.top - 6, height() - pad.bottom);
  }

  function draw() {
    byId('groups').hidden = !view.detail || view.detail.groups.length === 0;
    if (byId('groups').hidden) return;
    measure();
    layered(canvas, height, still, moving);
    counts();
    byId('gantt-readout').textContent = chosen >= 0 ? words(rows[chosen]) : 'Point at a row, or go through the rows with the arrow keys';
  }

  /** Legend and numbers: groups in each phase now. */
  function counts() {
    const count = PHASES.map(() => 0);
    for (const group of view.detail.groups) {
      const now = phaseAt(group, view.t);
      if (now) count[now.phase]++;
    }
    const box = byId('phases');
    if (box.dataset.key !== [view.v, view.r, theme(), low()].join()) {
      box.dataset.key = [view.v, view.r, theme(), low()].join();
      box.replaceChildren();
      PHASES.slice(0, GONE).forEach((name, phase) => {
        const swatch = make('canvas', { 'aria-hidden': 'true' });
        swatch.paint = c => phaseBar(c, phase, 0, 0, 0, 26, 14, low());
        box.append(make('span', {}, swatch, name, make('span', { class: 'count' })));
      });
      paintSwatches(box);
    }
    box.querySelectorAll('.count').forEach((span, phase) => {
      span.textContent = count[phase];
      span.parentElement.classList.toggle('none', count[phase] === 0);
    });
    const { groups, groups_total, revisions } = view.detail;
    const shown = rows.length < groups_total ? `Showing ${grouped(rows.length)} of ${plural(groups_total, 'group')}. ` : '';
    const partly = groups.length < groups_total ? ` Numbers are of ${grouped(groups.length)} groups.` : '';
    const bars = low() ? 'The nearer a group is to serving, the stronger its colour' : 'The nearer a group is to serving, the taller its bar';
    byId('gantt-lead').textContent = shown + bars + (revisions.length > 1 ? '; colours are revisions.' : '.') + partly;
    canvas.setAttribute('aria-label', `Phases of ${plural(groups_total, 'group')} over time; arrow keys go through the groups. Now: `
      + PHASES.slice(0, GONE).map((name, phase) => count[phase] + ' ' + name).filter(text => !text.startsWith('0 ')).join(', '));
  }

  /** What a group is doing, in words. */
  function words(g, t = view.t) {
    const group = view.detail.groups[g], now = phaseAt(group, t);
    const name = bare(group[0]);
    if (!now) return name + ': not there yet';
    return `${name}: ${PHASES[now.phase]} since ${clock(now.since)}, ${revisionName(now.revision)}`;
  }

  function hover(event) {
    const box = canvas.getBoundingClientRect(), width = canvas.clientWidth;
    const t = Math.max(0, Math.min(view.end, (event.clientX - box.left - left) / (width - left - pad.right) * view.end * BEYOND));
    if (event.buttons & 1) setTime(t);
    const i = Math.floor((event.clientY - box.top - pad.top) / row);
    tip(i >= 0 && i < rows.length ? clock(t) + '\n' + words(rows[i], t) : '', event);
  }
  canvas.addEventListener('pointermove', hover);
  canvas.addEventListener('pointerdown', hover);
  canvas.addEventListener('pointerleave', () => tip());
  canvas.addEventListener('blur', () => { chosen = -1; drawAll(); });
  canvas.addEventListener('keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    chosen = Math.max(0, Math.min(rows.length - 1, chosen + step));
    drawAll();
  });
  return { draw, words };
})();

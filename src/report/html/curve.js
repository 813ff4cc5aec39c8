// Capacity: groups ready over time. One variant: areas by revision. Several: a line for each, with the range over seeds.
const curve = (() => {
  const canvas = byId('curve');
  const pad = { left: 38, right: 10, top: 20, bottom: 24 };
  const height = () => innerWidth < 640 ? 210 : 270;
  let end = 1, high = 1;

  const x = (t, width) => pad.left + (width - pad.left - pad.right) * Math.min(t, end) / end;
  const y = n => height() - pad.bottom - (height() - pad.top - pad.bottom) * n / high;

  function measure() {
    end = view.end;
    high = 1;
    for (const variant of data.variants) {
      for (const run of variant.runs) if (data.variants.length > 1 || run === view.run) end = Math.max(end, run.end_ms);
      for (const n of variant.ready.high || variant.ready.median) high = Math.max(high, n);
      high = Math.max(high, variant.groups);
    }
    if (view.detail) for (let i = 1; i < view.detail.wanted.length; i += 2) high = Math.max(high, view.detail.wanted[i]);
    high *= 1.04;
    end *= BEYOND;
  }

  /** Traces steps; `ts` and `ns` are instants and values. */
  function trace(c, ts, ns, width, from = 0) {
    let last = y(from);
    c.moveTo(x(0, width), last);
    ts.forEach((t, i) => { c.lineTo(x(t, width), last); last = y(ns[i]); c.lineTo(x(t, width), last); });
    c.lineTo(x(end, width), last);
  }

  function axes(c, width) {
    c.textBaseline = 'middle';
    c.lineWidth = 1;
    c.strokeStyle = color('line');
    c.fillStyle = color('muted');
    let step = 1;
    for (let power = 1; high / step > 5; power *= 10) for (const f of [1, 2, 5]) if (high / step > 5) step = f * power;
    c.textAlign = 'right';
    for (let n = 0; n <= high; n += step) {
      c.beginPath(); c.moveTo(pad.left, Math.round(y(n)) + .5); c.lineTo(width - pad.right, Math.round(y(n)) + .5); c.stroke();
      c.fillText(grouped(n), pad.left - 7, y(n));
    }
    c.textAlign = 'center';
    for (const [t, label] of ticks(end, width / 75)) {
      if (x(t, width) < width - 18) c.fillText(label, x(t, width), height() - 9);
    }
  }

  /** Areas of groups ready by revision, one above the other. */
  function areas(c, width) {
    const changes = [], count = view.detail.revisions.map(() => 0);
    for (const group of view.detail.groups) {
      const p = group[3];
      for (let i = 0; i < p.length; i += 3) {
        if (p[i + 1] === READY) changes.push([p[i], p[i + 2], 1]);
        if (i > 2 && p[i - 2] === READY) changes.push([p[i], p[i - 1], -1]);
      }
    }
    changes.sort((a, b) => a[0] - b[0]);
    const ts = [], sums = [];
    changes.forEach(([t, revision, delta], i) => {
      count[revision] += delta;
      if (changes[i + 1]?.[0] === t) return;
      let sum = 0;
      ts.push(t);
      sums.push(count.map(n => sum += n));
    });
    for (let revision = count.length - 1; revision >= 0; revision--) {
      c.beginPath();
      trace(c, ts, sums.map(s => s[revision]), width);
      c.lineTo(x(end, width), y(0)); c.lineTo(x(0, width), y(0));
      c.fillStyle = color('card'); c.fill();
      c.globalAlpha = .42; c.fillStyle = hue(revision); c.fill(); c.globalAlpha = 1;
    }
  }

  function variantLine(c, variant, v, width) {
    const { t, median, low, high: top } = variant.ready;
    if (low && (data.variants.length <= 3 || v === view.v)) {
      c.beginPath();
      trace(c, t, top, width);
      const back = [];
      let before = 0;
      t.forEach((at, i) => { back.push([at, before], [at, low[i]]); before = low[i]; });
      back.push([end, before]);
      for (const [at, n] of back.reverse()) c.lineTo(x(at, width), y(n));
      c.closePath();
      c.globalAlpha = .16; c.fillStyle = lineColor(v); c.fill(); c.globalAlpha = 1;
    }
    c.beginPath();
    trace(c, t, median, width);
    c.setLineDash(DASHES[v % DASHES.length]);
    c.lineWidth = v === view.v ? 2.5 : 1.5;
    c.strokeStyle = lineColor(v);
    c.stroke();
    c.setLineDash([]);
  }

  const lineColor = v => data.variants.length > 1 ? hue(v) : color('ink');
  const inAreas = () => data.variants.length === 1 && view.detail && view.detail.groups.length === view.detail.groups_total
    && view.detail.revisions.length > 0;

  function still(c, width) {
    axes(c, width);
    if (inAreas()) areas(c, width);
    if (view.detail) {
      const flat = view.detail.wanted, ts = [], ns = [];
      for (let i = 0; i < flat.length; i += 2) { ts.push(flat[i]); ns.push(flat[i + 1]); }
      if (ts.length) {
        c.beginPath(); trace(c, ts, ns, width); c.setLineDash([2, 4]);
        c.strokeStyle = color('muted'); c.lineWidth = 1.5; c.stroke(); c.setLineDash([]);
      }
    }
    data.variants.forEach((variant, v) => { if (v !== view.v) variantLine(c, variant, v, width); });
    if (data.variants.length > 1 || view.variant.runs.length > 1) variantLine(c, view.variant, view.v, width);
    if (view.detail && (data.variants.length === 1 || view.variant.runs.length > 1)) {
      const flat = view.detail.ready, ts = [], ns = [];
      for (let i = 0; i < flat.length; i += 2) { ts.push(flat[i]); ns.push(flat[i + 1]); }
      c.beginPath(); trace(c, ts, ns, width);
      c.strokeStyle = color('ink'); c.lineWidth = view.variant.runs.length > 1 ? 1 : 2; c.stroke();
    }
    flags(c, t => x(t, width), 8, pad.top, height() - pad.bottom, width);
  }

  function moving(c, width) {
    cursor(c, x(view.t, width), pad.top - 8, height() - pad.bottom);
    const now = view.detail ? valueAt(view.detail.ready, view.t) : bandAt(view.variant.ready, view.t).median;
    c.beginPath(); c.arc(x(view.t, width), y(now), 4.5, 0, 7);
    c.fillStyle = color('accent'); c.fill();
    c.strokeStyle = color('card'); c.lineWidth = 2; c.stroke();
  }

  function bandAt(ready, t) {
    const i = lastAt(ready.t, 1, t);
    if (i < 0) return { median: 0, low: 0, high: 0 };
    return { median: ready.median[i], low: (ready.low || ready.median)[i], high: (ready.high || ready.median)[i] };
  }

  function draw() {
    measure();
    layered(canvas, height, still, moving);
  }

  /** The legend: variants to pick, or what the areas are. */
  function legend() {
    const box = byId('curve-legend');
    box.replaceChildren();
    const swatch = (paint) => { const s = make('canvas', { 'aria-hidden': 'true' }); s.paint = paint; return s; };
    const line = (stroke, dash, thick) => swatch(c => {
      c.beginPath(); c.moveTo(0, 7); c.lineTo(26, 7); c.setLineDash(dash); c.strokeStyle = stroke(); c.lineWidth = thick; c.stroke();
    });
    if (data.variants.length > 1) {
      data.variants.forEach((variant, v) => {
        const button = make('button', { type: 'button', 'aria-pressed': String(v === view.v) }, line(() => hue(v), DASHES[v % DASHES.length], 2.5), variant.name);
        button.onclick = () => choose(v, 0, view.t);
        box.append(button);
      });
    } else if (inAreas()) {
      view.detail.revisions.forEach((key, revision) => box.append(make('span', { title: key },
        swatch(c => { c.globalAlpha = .42; c.fillStyle = hue(revision); c.fillRect(0, 1, 26, 12); }), 'ready on ' + revisionName(revision))));
    }
    const many = view.variant.runs.length > 1;
    if (many) box.append(make('span', {}, line(() => lineColor(view.v), DASHES[view.v % DASHES.length], 2.5), 'median, range over ' + view.variant.runs.length + ' seeds shaded'));
    if (view.detail && many) box.append(make('span', {}, line(() => color('ink'), [], 1), 'this run'));
    if (view.detail?.wanted.length) box.append(make('span', {}, line(() => color('muted'), [2, 4], 1.5), 'wanted'));
    paintSwatches(box);
    canvas.setAttribute('aria-label', 'Groups ready over time. ' + (view.run ? view.run.headline : ''));
  }

  function hover(event) {
    const box = canvas.getBoundingClientRect(), width = canvas.clientWidth;
    const t = Math.max(0, Math.min(end, (event.clientX - box.left - pad.left) / (width - pad.left - pad.right) * end));
    if (event.buttons & 1) { setTime(t); }
    const lines = data.variants.map(variant => {
      const { median, low, high: top } = bandAt(variant.ready, t);
      return (data.variants.length > 1 ? variant.name + ': ' : '') + plural(median, 'group') + ' ready' + (top > low ? ` (${low}–${top})` : '');
    });
    tip(clock(t) + '\n' + lines.join('\n'), event);
  }
  canvas.addEventListener('pointermove', hover);
  canvas.addEventListener('pointerdown', hover);
  canvas.addEventListener('pointerleave', () => tip());
  return { draw, legend };
})();

/** Paints the small canvases of a legend. */
function paintSwatches(box) {
  for (const swatch of box.querySelectorAll('canvas')) {
    const ratio = devicePixelRatio || 1;
    [swatch.width, swatch.height] = [26 * ratio, 14 * ratio];
    const c = swatch.getContext('2d');
    c.scale(ratio, ratio);
    swatch.paint(c);
  }
}

/** The line that shows the chosen time. */
function cursor(c, x, top, bottom) {
  c.beginPath(); c.moveTo(x, top); c.lineTo(x, bottom);
  c.strokeStyle = color('accent'); c.lineWidth = 1.5; c.stroke();
}

/** Numbered marks of what the timeline did; the numbers are those of the list below. */
function flags(c, x, atY, top, bottom, width) {
  const marks = view.detail ? view.detail.marks.filter(mark => mark[1] === 'action' || mark[1] === 'node') : [];
  let free = -1;
  c.textAlign = 'center'; c.textBaseline = 'middle';
  marks.forEach(([t], i) => {
    const at = x(t);
    c.beginPath(); c.moveTo(at, top); c.lineTo(at, bottom);
    c.setLineDash([1, 3]); c.strokeStyle = color('muted'); c.lineWidth = 1; c.stroke(); c.setLineDash([]);
    if (at < free || at > width - 2) return;
    free = at + 17;
    c.beginPath(); c.arc(at, atY, 7.5, 0, 7); c.fillStyle = color('muted'); c.fill();
    c.fillStyle = color('card'); c.font = '600 10px system-ui, sans-serif'; c.fillText(i + 1, at, atY + .5);
  });
  c.font = '12px system-ui, sans-serif';
}

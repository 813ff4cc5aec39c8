// Map of nodes by topology: boxes for domains, in them nodes with their accelerators and who holds them at the chosen time.
const map = (() => {
  const canvas = byId('map');
  const FREE = null;
  let laid = null, key = '', chosen = -1, state = null;

  /** All nodes of the run: those of the table, then those that joined later. */
  function nodes() {
    const table = data.nodes[view.variant.nodes], more = view.detail ? view.detail.nodes_more : [];
    return {
      levels: table.levels,
      names: table.names.concat(more),
      paths: table.paths.concat(more.map(() => table.levels.map(() => 'joined later'))),
      accelerators: table.accelerators.concat(more.map(() => 8)),
    };
  }

  /** How large things are: cards with names for few nodes, small cells for more, dots for many. */
  function scale(count, most) {
    const cells = Math.max(1, Math.min(most, 16));
    const across = cells <= 4 ? cells : Math.ceil(cells / 2);
    if (count <= 72) {
      const wide = canvas.clientWidth > 600;
      const cell = wide ? (count <= 8 ? 32 : count <= 16 ? 26 : 20) : count <= 12 ? 20 : 11, step = cell + (cell > 13 ? 3 : 2);
      const pad = wide ? 9 : 5;
      return { kind: 'card', w: across * step + 11, h: Math.ceil(cells / across) * step + 27, gap: wide ? 8 : 5, pad, head: 18, cell, step, across };
    }
    if (count <= 700) return { kind: 'cells', w: across * 6 + 3, h: Math.ceil(cells / across) * 6 + 3, gap: 3, pad: 5, head: 15, cell: 5, step: 6, across };
    const narrow = canvas.clientWidth < 500, dot = narrow ? 5 : count > 1500 ? 7 : 9;
    return { kind: 'dot', w: dot, h: dot, gap: narrow ? 1 : 2, pad: 3, head: 13, cell: dot, step: dot, across: 1, narrow };
  }

  /** Puts nodes into boxes of their domains, boxes beside each other while there is room. */
  function layout(width) {
    const all = nodes(), size = scale(all.names.length, Math.max(...all.accelerators, 1));
    const root = { label: '', children: new Map(), nodes: [] };
    // Where there is little room, the narrowest domains of many nodes get no box.
    const boxed = size.narrow ? Math.max(1, all.levels.length - 1) : all.levels.length;
    all.paths.forEach((path, n) => {
      let at = root;
      path.slice(0, boxed).forEach((domain, level) => {
        if (domain === '') return;
        const word = levelName(all.levels[level]);
        // A narrow box has room for the name alone.
        const alone = domain.startsWith(word) || domain.includes(' ') || (size.kind === 'dot' && !size.narrow && level === all.levels.length - 1);
        if (!at.children.has(domain)) at.children.set(domain, { label: alone ? domain : word + ' ' + domain, children: new Map(), nodes: [] });
        at = at.children.get(domain);
      });
      at.nodes.push(n);
    });
    const place = [], boxes = [];
    const lay = (domain, x, y, room, depth) => {
      const pad = depth ? size.pad : 0, head = depth ? size.head : 0;
      let [cx, cy, tall, wide] = [x + pad, y + head + (depth ? 2 : 0), 0, 0];
      const put = (w, h, draw) => {
        if (cx > x + pad && cx + w > x + room - pad) { cx = x + pad; cy += tall + size.gap; tall = 0; }
        draw(cx, cy);
        cx += w + size.gap; tall = Math.max(tall, h); wide = Math.max(wide, cx - size.gap - x + pad);
      };
      const lone = depth === 0 || size.narrow || domain.nodes.length <= 4;
      const across = lone ? Infinity : Math.max(2, Math.ceil(Math.sqrt(domain.nodes.length * (size.kind === 'dot' ? 1 : 1.8) * size.h / size.w)));
      domain.nodes.forEach((n, i) => {
        if (i > 0 && i % across === 0) { cx = x + pad; cy += tall + size.gap; tall = 0; }
        put(size.w, size.h, (px, py) => { place[n] = [px, py]; });
      });
      for (const child of domain.children.values()) {
        const inner = room - 2 * pad;
        const mark = boxes.length, from = place.slice();
        let box = lay(child, cx, cy, inner, depth + 1);
        if (cx > x + pad && cx + box[0] > x + room - pad) {
          boxes.length = mark; place.length = 0; place.push(...from);
          cx = x + pad; cy += tall + size.gap; tall = 0;
          box = lay(child, cx, cy, inner, depth + 1);
        }
        put(box[0], box[1], () => {});
      }
      if (depth) {
        const h = cy + tall + pad - y;
        wide = Math.max(wide, size.kind === 'dot' ? 24 : 34);
        boxes.push({ x, y, w: wide, h, label: domain.label, depth });
        return [wide, h];
      }
      return [wide, cy + tall - y];
    };
    const [, tall] = lay(root, 1, 1, width - 2, 0);
    return { all, size, place, boxes, height: Math.max(tall, 20) + 4 };
  }

  /** Who holds which node at the chosen time, and which nodes are away. */
  function occupancy() {
    const count = laid.all.names.length;
    const held = Array.from({ length: count }, () => []), away = new Array(count).fill('');
    let used = 0;
    const { occupancy: o, node_changes } = view.detail;
    if (o.holdings) {
      let start = 0;
      for (const [node, delta, length, accelerators, group, pod] of o.holdings) {
        start += delta;
        if (start > view.t) break;
        if (length >= 0 && start + length <= view.t) continue;
        used += accelerators;
        held[node].push({ accelerators, group, pod });
      }
    } else {
      const digits = o.counts.used[Math.min(Math.floor(view.t / o.counts.slice_ms), o.counts.used.length - 1)];
      for (let n = 0; n < count; n++) {
        const accelerators = parseInt(digits[n], 36);
        used += accelerators;
        if (accelerators) held[n].push({ accelerators, group: FREE, pod: FREE });
      }
    }
    const words = { cordoned: 'cordoned', uncordoned: '', down: 'down', up: '', notReady: 'not ready', ready: '', removed: 'removed' };
    for (const [t, node, change] of node_changes) {
      if (t > view.t) break;
      away[node] = words[change];
    }
    return { held, away, used };
  }

  function phaseOf(holding) {
    if (typeof holding.group !== 'number') return { phase: HELD, revision: 0 };
    return phaseAt(view.detail.groups[holding.group], view.t) || { phase: 0, revision: 0 };
  }
  const podName = ({ group, pod }) => {
    if (typeof pod === 'string') return bare(pod);
    if (pod === FREE) return 'a pod';
    const name = bare(typeof group === 'number' ? view.detail.groups[group][0] : group);
    return pod === 0 ? name : name + '-' + pod;
  };

  function drawNode(c, n) {
    const { size, place, all } = laid, [x, y] = place[n], total = all.accelerators[n];
    const held = state.held[n], away = state.away[n], phases = held.map(phaseOf);
    c.lineWidth = 1;
    if (size.kind === 'dot') {
      c.fillStyle = color('line'); c.fillRect(x, y, size.w, size.h);
      let base = y + size.h;
      const order = phases.map((p, i) => [p, held[i]]).sort((a, b) => b[0].phase - a[0].phase);
      for (const [{ phase, revision }, { accelerators }] of order) {
        const h = size.h * accelerators / Math.max(total, 1);
        phaseBar(c, phase, revision, x, base - h, size.w, h, true);
        base -= h;
      }
    } else {
      const card = size.kind === 'card';
      if (card) {
        c.fillStyle = color('paper'); c.strokeStyle = color('line');
        c.beginPath(); c.roundRect(x + .5, y + .5, size.w - 1, size.h - 1, 6); c.fill();
        if (away) c.setLineDash([4, 3]);
        if (away) c.strokeStyle = color('bad');
        c.stroke(); c.setLineDash([]);
        c.textAlign = 'left'; c.textBaseline = 'middle'; c.font = '11px system-ui, sans-serif';
        c.fillStyle = color(away ? 'bad' : 'ink');
        c.fillText(cut(c, all.names[n] + (away ? ' ' + away : ''), size.w - 12), x + 6, y + 11);
      }
      const cells = Math.min(total, 16), step = size.step, share = total / Math.max(cells, 1);
      const owners = [];
      held.forEach((holding, i) => { for (let k = 0; k < holding.accelerators / share; k++) owners.push(i); });
      for (let k = 0; k < cells; k++) {
        const cx = x + (card ? 6 : 1) + (k % size.across) * step, cy = y + (card ? 21 : 1) + Math.floor(k / size.across) * step;
        const who = owners[k];
        c.fillStyle = color(card ? 'card' : 'soft'); c.fillRect(cx, cy, size.cell, size.cell);
        if (card) { c.strokeStyle = color('line'); c.strokeRect(cx + .5, cy + .5, size.cell - 1, size.cell - 1); }
        if (who === undefined) continue;
        const { phase, revision } = phases[who];
        phaseBar(c, phase, revision, cx, cy, size.cell, size.cell, !card);
        if (size.cell > 13 && typeof held[who].group === 'number') {
          c.font = `600 ${size.cell > 24 ? 13 : 10}px system-ui, sans-serif`; c.textAlign = 'center';
          c.fillStyle = color(phase === READY ? 'on-hue' : 'ink');
          c.fillText(view.detail.groups[held[who].group][2], cx + size.cell / 2, cy + size.cell / 2 + .5);
        }
      }
    }
    if (away && size.kind !== 'card') {
      c.strokeStyle = color('bad'); c.lineWidth = 1.5;
      c.beginPath(); c.moveTo(x, y); c.lineTo(x + size.w, y + size.h); c.moveTo(x + size.w, y); c.lineTo(x, y + size.h); c.stroke();
    }
  }

  function draw() {
    const section = byId('nodes');
    section.hidden = !view.detail;
    byId('no-detail').hidden = !!view.detail;
    if (section.hidden) { document.documentElement.dataset.accelerators = ''; return; }
    const wanted = [canvas.clientWidth, view.v, view.r].join();
    if (key !== wanted) { key = wanted; laid = layout(canvas.clientWidth); chosen = -1; }
    state = occupancy();
    const c = fit(canvas, laid.height);
    for (const box of laid.boxes) {
      c.strokeStyle = color('line'); c.lineWidth = 1;
      c.beginPath(); c.roundRect(box.x + .5, box.y + .5, box.w - 1, box.h - 1, 7); c.stroke();
      c.textAlign = 'left'; c.textBaseline = 'middle'; c.font = '11px system-ui, sans-serif'; c.fillStyle = color('muted');
      c.fillText(cut(c, box.label, box.w - 10), box.x + 7, box.y + laid.size.head / 2 + 2);
    }
    for (let n = 0; n < laid.all.names.length; n++) drawNode(c, n);
    if (chosen >= 0) {
      const [x, y] = laid.place[chosen];
      c.strokeStyle = color('accent'); c.lineWidth = 2.5;
      c.strokeRect(x - 1.5, y - 1.5, laid.size.w + 3, laid.size.h + 3);
    }
    const total = laid.all.accelerators.reduce((sum, n) => sum + n, 0), busy = state.held.filter(h => h.length).length;
    const away = state.away.filter(word => word).length;
    byId('map-lead').textContent = `${grouped(state.used)} of ${plural(total, 'accelerator')} held on ${grouped(busy)} of ${plural(laid.all.names.length, 'node')} at ${clock(view.t)}`
      + (away ? `, ${plural(away, 'node')} out of service` : '') + (!view.detail.occupancy.holdings ? '; who holds them is left out to keep this page small' : laid.size.cell > 13 ? '; numbers are groups' : '');
    document.documentElement.dataset.accelerators = state.used;
    canvas.setAttribute('aria-label', 'Nodes by topology; arrow keys go through the nodes. ' + byId('map-lead').textContent);
    byId('map-readout').textContent = chosen >= 0 ? words(chosen, '; ') : 'Point at a node, or go through the nodes with the arrow keys';
  }

  /** What is on a node, in words. */
  function words(n, between) {
    const { all } = laid, used = state.held[n].reduce((sum, h) => sum + h.accelerators, 0);
    const where = all.paths[n].map((domain, level) => domain && levelName(all.levels[level]) + ' ' + domain).filter(Boolean).join(', ');
    const head = all.names[n] + (where ? ` (${where})` : '') + (state.away[n] ? ', ' + state.away[n] : '') + `: ${used} of ${plural(all.accelerators[n], 'accelerator')} held`;
    const pods = state.held[n].filter(h => h.pod !== FREE).slice(0, 16).map(h => {
      const { phase, revision } = phaseOf(h);
      return podName(h) + ` (${h.accelerators})` + (typeof h.group === 'number' ? `, its group ${PHASES[phase]}, ${revisionName(revision)}` : '');
    });
    return [head, ...pods].join(between);
  }

  function nodeAt(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    return laid.place.findIndex(([px, py]) => x >= px - 1 && y >= py - 1 && x <= px + laid.size.w + 1 && y <= py + laid.size.h + 1);
  }
  canvas.addEventListener('pointermove', event => { const n = nodeAt(event); tip(n < 0 ? '' : words(n, '\n'), event); });
  canvas.addEventListener('pointerleave', () => tip());
  canvas.addEventListener('pointerdown', event => { chosen = nodeAt(event); draw(); });
  canvas.addEventListener('keydown', event => {
    const last = laid.place.length - 1;
    if (event.key === 'ArrowRight') chosen = Math.min(last, chosen + 1);
    else if (event.key === 'ArrowLeft') chosen = Math.max(0, chosen - 1);
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') chosen = beside(event.key === 'ArrowDown' ? 1 : -1);
    else if (event.key === 'Home') chosen = 0;
    else if (event.key === 'End') chosen = last;
    else return;
    event.preventDefault();
    draw();
  });
  /** The nearest node in the row below or above. */
  function beside(direction) {
    if (chosen < 0) return 0;
    const [x, y] = laid.place[chosen];
    let best = chosen, least = Infinity;
    laid.place.forEach(([px, py], n) => {
      const down = (py - y) * direction;
      const distance = down * 3 + Math.abs(px - x);
      if (down > 2 && distance < least) { least = distance; best = n; }
    });
    return best;
  }
  return { draw };
})();

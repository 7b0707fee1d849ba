'use strict';

/** A number in the page's address, limited to a range; undefined where there is none. */
function numberIn(text, least, most) {
  const number = text === null || text === '' ? Number.NaN : Number(text);
  return number >= least && number <= most ? number : undefined;
}

/**
 * The part of a picture that one screen of a video wall shows, in shares of its sides: `crop=x,y,width,height`, or `tile=column,row,columns,rows`
 * counted from 1. Undefined for all of it, and for what is not one of them.
 */
function cropOf(asked) {
  const numbers = (name) => asked.get(name)?.split(',').map(Number);
  const [column, row, columns, rows] = numbers('tile') ?? [];
  const [x, y, width, height] =
    column === undefined ? (numbers('crop') ?? []) : [(column - 1) / columns, (row - 1) / rows, 1 / columns, 1 / rows];
  const isPart = x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= 1.001 && y + height <= 1.001;
  return isPart ? { x, y, width, height } : undefined;
}

/** A part of a picture as a picture of its own. */
async function cropped(picture, { x, y, width, height }) {
  const whole = (share, of) => Math.round(share * of);
  const part = await createImageBitmap(
    picture,
    whole(x, picture.width),
    whole(y, picture.height),
    Math.max(1, whole(width, picture.width)),
    Math.max(1, whole(height, picture.height)),
  );
  picture.close();
  return part;
}

/**
 * Delays pictures so that all screens of a wall show the same one at a time: each is shown a fixed time after it came to the sink,
 * by the server's clock. The difference of the clocks is estimated from the picture that arrived quickest.
 */
class SharedDelay {
  /** @param {number} delayMs more than the slowest screen needs to get a picture */
  constructor(delayMs, show) {
    this.delayMs = delayMs;
    this.show = show;
    this.queue = [];
    this.offsets = [];
  }

  /** @param {number} at when it came to the sink, ms since 1970 by the server's clock */
  add(jpeg, frame, at) {
    const now = performance.timeOrigin + performance.now();
    this.offsets = [...this.offsets, now - at].slice(-300);
    const due = at + Math.min(...this.offsets) + this.delayMs - performance.timeOrigin;
    this.queue.push({ jpeg, frame, due });
    // A hidden tab has slow timers, so its queue is limited.
    if (this.queue.length > 120) this.queue.shift();
    this.timer ??= setTimeout(() => this.next(), Math.max(0, this.queue[0].due - performance.now()));
  }

  async next() {
    const now = performance.now() + 2;
    let newest;
    while (this.queue[0]?.due <= now) newest = this.queue.shift();
    if (newest) await this.show(newest.jpeg, newest.frame).catch(() => undefined);
    this.timer = this.queue.length > 0 ? setTimeout(() => this.next(), Math.max(0, this.queue[0].due - performance.now())) : undefined;
  }
}

/** Shows the pictures before and after denoising together: `side`, `wipe` (a line that follows the pointer) or `corner`. */
class Comparison {
  constructor(kind) {
    this.kind = kind;
    /** The newest pictures of the sink before the denoiser, by the times of their frames. */
    this.before = new Map();
    this.line = 0.5;
    this.canvas = document.createElement('canvas');
  }

  keep(jpeg, frame) {
    this.before.set(frame?.timestamp ?? performance.now(), jpeg);
    for (const oldest of this.before.keys()) if (this.before.size > 90) this.before.delete(oldest);
  }

  /** @returns {Promise<ImageBitmap>} both in one picture; only the denoised one while there is no other */
  async with(after, frame) {
    const jpeg = this.before.get(frame?.timestamp) ?? [...this.before.values()].at(-1);
    if (!jpeg) return after;
    const { width, height } = after;
    const before = await createImageBitmap(jpeg, { resizeWidth: width, resizeHeight: height, resizeQuality: 'medium' });
    const { canvas, kind } = this;
    Object.assign(canvas, { width: kind === 'side' ? 2 * width : width, height });
    const context = canvas.getContext('2d');
    if (kind === 'side') {
      context.drawImage(before, 0, 0);
      context.drawImage(after, width, 0);
    } else if (kind === 'wipe') {
      const x = Math.round(this.line * width);
      context.drawImage(after, 0, 0);
      if (x > 0) context.drawImage(before, 0, 0, x, height, 0, 0, x, height);
      context.fillStyle = '#fff';
      context.fillRect(x - 1, 0, 2, height);
    } else {
      context.drawImage(after, 0, 0);
      const [w, h] = [Math.round(width * 0.3), Math.round(height * 0.3)];
      const margin = Math.round(Math.min(width, height) * 0.03);
      context.fillStyle = '#fff';
      context.fillRect(margin - 2, height - h - margin - 2, w + 4, h + 4);
      context.drawImage(before, margin, height - h - margin, w, h);
    }
    before.close();
    after.close();
    return createImageBitmap(canvas);
  }
}

/**
 * The matrix3d that maps the corners of a box to four points: the homography, from eight linear equations.
 *
 * @param {number[][]} places `[x, y]` of the corners above left, above right, below right, below left, pixels
 */
function matrixTo(width, height, places) {
  const corners = [
    [0, 0],
    [width, 0],
    [width, height],
    [0, height],
  ];
  const rows = corners.flatMap(([x, y], k) => {
    const [u, v] = places[k];
    return [
      [x, y, 1, 0, 0, 0, -u * x, -u * y, u],
      [0, 0, 0, x, y, 1, -v * x, -v * y, v],
    ];
  });
  for (let k = 0; k < 8; k++) {
    const pivot = rows.slice(k).reduce((best, row, at) => (Math.abs(row[k]) > Math.abs(rows[best][k]) ? k + at : best), k);
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let other = 0; other < 8; other++) {
      if (other === k) continue;
      const factor = rows[other][k] / rows[k][k];
      for (let column = k; column < 9; column++) rows[other][column] -= factor * rows[k][column];
    }
  }
  const [a, b, c, d, e, f, g, h] = rows.map((row, k) => row[8] / row[k]);
  return `matrix3d(${[a, d, 0, g, b, e, 0, h, 0, 0, 1, 0, c, f, 0, 1].map((value) => value.toFixed(9)).join(',')})`;
}

const SQUARE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/** Whether four points make a valid screen, a convex quadrilateral. */
function isShape(places) {
  const turns = places.map(([x, y], k) => {
    const [[nextX, nextY], [afterX, afterY]] = [places[(k + 1) % 4], places[(k + 2) % 4]];
    return (nextX - x) * (afterY - nextY) - (nextY - y) * (afterX - nextX);
  });
  return turns.every((turn) => turn > 1e-4);
}

/** Keystone correction: the four corners of the picture can be dragged to those of a wall; kept in this browser by the screen's name. */
class Warp {
  /**
   * @param {HTMLElement} wall the element that is transformed
   * @param {string} keptAs
   */
  constructor(wall, keptAs) {
    this.wall = wall;
    this.keptAs = keptAs;
    const kept = recall(keptAs);
    this.places = Array.isArray(kept) && kept.length === 4 && kept.every(Array.isArray) && isShape(kept) ? kept : SQUARE;
    addEventListener('resize', () => this.apply());
    this.apply();
  }

  get isEditing() {
    return this.handles !== undefined;
  }

  apply() {
    const { wall, places } = this;
    const isSquare = places.flat().every((value, k) => value === SQUARE.flat()[k]);
    wall.style.transformOrigin = '0 0';
    const onScreen = places.map(([x, y]) => [x * innerWidth, y * innerHeight]);
    // The corners belong to the picture, whatever its aspect ratio.
    wall.classList.toggle('warped', !isSquare || this.isEditing);
    wall.style.transform = isSquare ? '' : matrixTo(wall.offsetWidth, wall.offsetHeight, onScreen);
    this.handles?.forEach((handle, k) => Object.assign(handle.style, { left: `${onScreen[k][0]}px`, top: `${onScreen[k][1]}px` }));
  }

  /** Shows the corners, which can be dragged or moved by the arrow keys, or hides them. */
  toggle() {
    if (this.handles) {
      for (const handle of this.handles) handle.remove();
      this.handles = undefined;
      this.apply();
      return;
    }
    this.handles = SQUARE.map((_, k) => {
      const handle = document.createElement('button');
      handle.className = 'corner';
      handle.setAttribute('aria-label', text('corner', { number: k + 1 }));
      handle.onpointerdown = (event) => handle.setPointerCapture(event.pointerId);
      handle.onpointermove = (event) => {
        if (handle.hasPointerCapture(event.pointerId)) this.move(k, [event.clientX / innerWidth, event.clientY / innerHeight]);
      };
      handle.onkeydown = (event) => {
        const step = event.shiftKey ? 10 : 1;
        const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [];
        if (x === undefined) return;
        event.preventDefault();
        const [atX, atY] = this.places[k];
        this.move(k, [atX + x / innerWidth, atY + y / innerHeight]);
      };
      document.body.append(handle);
      return handle;
    });
    this.apply();
  }

  reset() {
    this.places = SQUARE;
    this.keep();
  }

  move(corner, place) {
    const places = this.places.map((old, k) => (k === corner ? place : old));
    // A corner must not cross another one.
    if (!isShape(places)) return;
    this.places = places;
    this.keep();
  }

  keep() {
    this.apply();
    keep(this.keptAs, this.places);
  }
}

'use strict';

/** Coordinates are in this many parts of the sheet's sides, widths in parts of the shorter side. */
const UNITS = 10000;

/**
 * A sheet that several visitors draw on: strokes in the server's order, and on top of them this page's own strokes that the
 * server has not confirmed yet.
 */
class SharedSheet {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { alpha: false });
    this.paper = '#dff0f8';
    this.below = undefined;
    this.strokes = [];
    /** This page's unconfirmed strokes, by key. */
    this.own = new Map();
  }

  /** Replaces the whole content by the server's. */
  replace({ paper, strokes }) {
    this.paper = paper;
    this.below = undefined;
    const own = this.own;
    this.strokes = strokes.map((stroke) => own.get(stroke.key) ?? stroke);
    this.drawSoon();
  }

  /** The picture below the strokes. */
  async setBelow(jpeg) {
    this.below = await createImageBitmap(jpeg);
    this.drawSoon();
  }

  /** Applies events in the server's order. */
  take(events) {
    for (const event of events) {
      const { key, points, undo } = event;
      if (undo !== undefined) {
        this.strokes = this.strokes.filter((stroke) => stroke.key !== undo);
        this.own.delete(undo);
      } else if (event.colour !== undefined || event.clear) this.strokes.push(this.own.get(key) ?? { ...event });
      else if (!this.own.has(key)) this.strokes.findLast((stroke) => stroke.key === key)?.points.push(...points);
    }
    if (events.length > 0) this.drawSoon();
  }

  /** Shows a stroke of this page at once. */
  addOwn(stroke) {
    this.own.set(stroke.key, stroke);
    this.drawSoon();
  }

  /** Drops a stroke that the server will not confirm. */
  forgetOwn() {
    this.own.clear();
  }

  drawSoon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  draw() {
    const { canvas, context } = this;
    const { width, height } = canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.paper;
    context.fillRect(0, 0, width, height);
    const told = new Set(this.strokes);
    const all = [...this.strokes, ...[...this.own.values()].filter((stroke) => !told.has(stroke))];
    const cleared = all.findLastIndex(({ clear }) => clear);
    if (this.below && cleared < 0) context.drawImage(this.below, 0, 0, width, height);
    context.lineCap = context.lineJoin = 'round';
    for (const stroke of all.slice(cleared + 1)) {
      this.drawStroke(stroke);
      if (!stroke.mirror) continue;
      context.setTransform(-1, 0, 0, 1, width, 0);
      this.drawStroke(stroke);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
  }

  /** Draws a stroke of changing width as several lines, since a line has one width. */
  drawStroke({ colour, points }) {
    const { context, canvas } = this;
    const unit = Math.min(canvas.width, canvas.height) / UNITS;
    const x = (k) => (points[k] * canvas.width) / UNITS;
    const y = (k) => (points[k + 1] * canvas.height) / UNITS;
    context.strokeStyle = colour;
    for (let from = 0; from < points.length; ) {
      const before = Math.max(0, from - 3);
      context.beginPath();
      context.moveTo(x(before), y(before));
      // A line of length 0 would not be drawn.
      context.lineTo(x(from) + 0.01, y(from));
      let to = from + 3;
      for (; to < points.length && points[to + 2] === points[from + 2]; to += 3) context.lineTo(x(to), y(to));
      context.lineWidth = Math.max(0.5, points[from + 2] * unit);
      context.stroke();
      from = to;
    }
  }
}

import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { Painter, SIZE, under } from './painter.mjs';
import { DOCS, told } from './places.mjs';
import { PRESETS } from './presets.mjs';
import { room, SCENES, testCardAt } from './scenes.mjs';
import { makeSheet, openChromium } from './sheet.mjs';

const require = createRequire(import.meta.url);
const { SimilarityFilter } = require('../../dist/engine');
const { thumbnailSizeFor } = require('../../dist/engine/diffusion/similarity-filter');
const { thumbnail } = require('../../dist/engine/image/codec');

const NIGHT = 'night, aurora, snow';
const SUNSET = 'sunset over the sea';
const FOLDER = join(DOCS, 'tuning');

/** Prompts as people write them: sentences, other languages, no time of day. */
const PROMPTS = [
  'sunset over the sea, calm water',
  'a lighthouse in a storm at night',
  'snowy mountains under the aurora',
  'misty autumn forest in the morning',
  'a castle on a hill, pastel colours',
  'desert with cacti at noon',
  'a small boat on a lake at dawn',
  'city skyline at night, neon',
  'volcano with lava, dark sky',
  'rainbow over green fields after the rain',
  'tropical island with palm trees',
  'winter village, blue hour',
  'river through a valley, watercolour',
  'full moon over the ocean',
  'a windmill among yellow flowers',
  'thunderstorm over the plains, lightning',
  'hot air balloons in a pink sky',
  'a cabin in the snow, evening light',
  'cliffs on the beach, golden hour',
  'cherry blossoms by a bridge',
  'Leuchtturm am Meer bei Nacht',
  'Herbstwald im Nebel',
  '夕日の海と山',
  '日落的沙漠',
];

const png = ({ data, width, height, channels }) => sharp(data, { raw: { width, height, channels } }).png().toBuffer();
const cells = (pictures) => pictures.map((picture) => picture && { picture });

/** Makes one after another, so that each has the machine to itself and the engine drops no frame. */
async function each(list, make) {
  const made = [];
  for (const one of list) made.push(await make(one));
  return made;
}

/** How much of the incoming picture stays. */
async function strength(painter) {
  const strengths = [0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1];
  const inputs = [await testCardAt(4000, SIZE), await SCENES['a face'](SIZE)];
  const settings = { steps: 2, cfgType: 'none' };
  const rows = await each(
    [
      [inputs[0], SUNSET],
      [inputs[1], NIGHT],
    ],
    async ([image, prompt]) => ({
      name: prompt.replace(/ (?=over|snow)/, '\n'),
      cells: cells([
        await png(image),
        ...(await each(strengths, (strength) => painter.one({ ...settings, strength }, image, under(prompt)))),
      ]),
    }),
  );
  return { heads: ['comes in', ...strengths.map(String)], rows, shown: 108 };
}

/** Camera pictures under the dialog's presets. */
async function presets(painter) {
  const prompts = [SUNSET, NIGHT];
  const rows = await each(Object.entries(SCENES), async ([name, draw]) => {
    const image = await draw(SIZE);
    const painted = await each(prompts, (prompt) => each(PRESETS, ({ settings }) => painter.one(settings, image, under(prompt))));
    return { name, cells: cells([await png(image), ...painted.flat()]) };
  });
  const heads = prompts.flatMap((prompt) => PRESETS.map(({ name }) => `${prompt.split(/[ ,]/)[0]}:<br>${name}`));
  return { heads: ['<br>comes in', ...heads], rows, shown: 118 };
}

/** Pictures of sentences, from text alone. */
async function prompts(painter) {
  const ACROSS = 6;
  const settings = { mode: 'txt2img', strength: 1, steps: 4, cfgType: 'none' };
  const painted = await each(PROMPTS, async (words) => ({ picture: await painter.one(settings, undefined, under(words)), words }));
  const rows = Array.from({ length: PROMPTS.length / ACROSS }, (_, k) => ({
    name: '',
    cells: painted.slice(k * ACROSS, (k + 1) * ACROSS),
  }));
  return { heads: [], rows, shown: 140 };
}

/** The same frame with more and more steps, and pictures from text alone. */
async function steps(painter) {
  const numbers = [1, 2, 4, 8];
  const image = await room(SIZE);
  const fromFrame = await each(numbers, (steps) => painter.one({ steps, strength: 0.8, cfgType: 'none' }, image, under(NIGHT)));
  const fromText = await each(numbers, (steps) =>
    painter.one({ mode: 'txt2img', steps, strength: 1, cfgType: 'none' }, undefined, under('castle on a hill, autumn')),
  );
  return {
    heads: numbers.map((number) => `${number} step${number > 1 ? 's' : ''}`),
    rows: [
      { name: 'from a frame', cells: cells(fromFrame) },
      { name: 'from text', cells: cells(fromText) },
    ],
    shown: 150,
  };
}

/** The kinds of guidance by their scale. */
async function guidance(painter) {
  const scales = [1, 1.2, 1.5, 2, 3];
  const image = await room(SIZE);
  const conditioning = under('desert, sunset', { negativePrompt: [{ text: 'forest, green', weight: 1 }] });
  const row = (cfgType) => each(scales, (guidanceScale) => painter.one({ cfgType, guidanceScale, strength: 0.75 }, image, conditioning));
  return {
    heads: scales.map((scale) => `scale ${scale}`),
    rows: await each(['self', 'initialize', 'full'], async (cfgType) => ({ name: cfgType, cells: cells(await row(cfgType)) })),
    shown: 130,
  };
}

/** From one noise to another by a blend of seeds, and by drift. */
async function seeds(painter) {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  const conditioning = under('castle on a hill, autumn, sunset');
  const settings = { mode: 'txt2img', strength: 1, steps: 4, cfgType: 'none' };
  const blended = await each(shares, (share) =>
    painter.one(
      {
        ...settings,
        seeds: [
          { seed: 7, weight: 1 - share },
          { seed: 12, weight: share },
        ],
      },
      undefined,
      conditioning,
    ),
  );
  const EVERY = 3;
  const drifted = await painter.paint(
    { ...settings, seed: 7, seedDrift: 6 },
    Array.from({ length: EVERY * 4 + 1 }, () => ({ conditioning })),
  );
  return {
    heads: [],
    rows: [
      { name: 'blend of seeds\n7 and 12:\n4 to 0, 3 to 1, …', cells: cells(blended) },
      { name: `drift of 6°:\nevery ${EVERY}rd\nframe`, cells: cells(drifted.filter((_, index) => index % EVERY === 0)) },
    ],
    shown: 130,
  };
}

/** From one prompt to the next, in each of the ways that a list of prompts can be blended. */
async function blends(painter) {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  const image = await testCardAt(4000, SIZE);
  const row = (blend) =>
    each(shares, (share) => {
      const prompts = [
        { text: SUNSET, weight: 1 - share },
        { text: NIGHT, weight: share },
      ];
      return painter.one({ strength: 0.75 }, image, under(prompts, { blend }));
    });
  return {
    heads: shares.map((share) => `${1 - share} : ${share}`),
    rows: await each(['linear', 'slerp', 'cosine'], async (blend) => ({ name: blend, cells: cells(await row(blend)) })),
    shown: 130,
  };
}

/** Feedback of the finished picture, zoomed. */
async function feedback(painter) {
  const EVERY = 4;
  const image = await testCardAt(4000, SIZE);
  const frames = Array.from({ length: EVERY * 5 + 1 }, () => ({ image, conditioning: under(NIGHT) }));
  const row = async (settings) => (await painter.paint({ strength: 0.6, ...settings }, frames)).filter((_, index) => index % EVERY === 0);
  return {
    heads: Array.from({ length: 6 }, (_, index) => (index === 0 ? 'first frame' : `after ${index * EVERY}`)),
    rows: [
      { name: 'picture 0.6,\nzoom 1.05', cells: cells(await row({ feedback: 0.6, feedbackZoom: 1.05 })) },
      { name: 'picture 0.6,\nturn 4°', cells: cells(await row({ feedback: 0.6, feedbackRotate: 4 })) },
      { name: 'latent 0.5', cells: cells(await row({ latentFeedback: 0.5 })) },
    ],
    shown: 108,
  };
}

/** Which frames pass while someone waves and then stands still. */
async function filter() {
  const scene = await each(
    Array.from({ length: 18 }, (_, index) => index),
    (index) => room(SIZE, 20 + 55 * Math.sin(Math.min(index, 8) * 0.8), 0.42),
  );
  const small = await Promise.all(
    scene.map((image) =>
      sharp(image.data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
        .resize(96)
        .png()
        .toBuffer(),
    ),
  );
  const row = async ([measure, threshold]) => {
    const size = thumbnailSizeFor(measure);
    const seen = await Promise.all(scene.map((image) => thumbnail({ kind: 'raw', ...image }, size)));
    const similar = new SimilarityFilter({ measure, threshold });
    return {
      name: `${measure}\n${threshold}`,
      cells: seen.map((pixels, index) => ({ picture: small[index], faint: !similar.accepts(pixels) })),
    };
  };
  return {
    heads: scene.map((_, index) => String(index + 1)),
    rows: await each(
      [
        ['local', 0.999],
        ['cosine', 0.98],
        ['cosine', 0.999],
        ['centred-cosine', 0.98],
        ['mse', 0.995],
      ],
      row,
    ),
    shown: 46,
  };
}

export async function tuningPictures() {
  await mkdir(FOLDER, { recursive: true });
  const painter = new Painter();
  const browser = await openChromium();
  const files = [];
  try {
    for (const [name, make] of Object.entries({ strength, presets, prompts, steps, guidance, seeds, blends, feedback, filter })) {
      const file = join(FOLDER, `${name}.webp`);
      await makeSheet(browser, { ...(await make(painter)), file });
      files.push(told(file));
    }
  } finally {
    await browser.close();
    await painter.close();
  }
  return files;
}

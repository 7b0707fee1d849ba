// Makes the pictures of the README and docs with the product itself: npm run pictures (needs Chromium and two minutes).
//   npm run pictures -- tuning      only some of them: live-picture, flow, sidebar, first-steps, nodes, stage, tuning, control
import { existsSync } from 'node:fs';
import { controlPictures } from './pictures/control.mjs';
import { livePicture } from './pictures/live-picture.mjs';
import { firstSteps } from './pictures/first-steps.mjs';
import { flowPicture, nodePictures, sidebarPicture } from './pictures/editor.mjs';
import { stagePictures } from './pictures/stage.mjs';
import { tuningPictures } from './pictures/tuning.mjs';

const MAKERS = {
  'live-picture': livePicture,
  flow: flowPicture,
  sidebar: sidebarPicture,
  'first-steps': firstSteps,
  nodes: nodePictures,
  stage: stagePictures,
  tuning: tuningPictures,
  control: controlPictures,
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in MAKERS));
if (unknown) throw new Error(`there are no pictures "${unknown}"; there are ${Object.keys(MAKERS).join(', ')}`);
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) throw new Error(`there is no Chromium at ${chromium}; install it, or set CHROMIUM to its path`);

for (const [name, make] of Object.entries(MAKERS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const file of await make()) console.log(file);
}

// `npm test`, after the build; `npm test -- -g TEXT` hands what stands behind `--` to Mocha. All tests, in two lanes beside each other: most of
// them one after the other, and meanwhile those files that mostly wait.
import { runLanes } from './lanes.mjs';
import { WAITING } from './waiting-tests.mjs';

const more = process.argv.slice(2);
const waiting = WAITING.map((name) => `dist/test/${name}.test.js`);
const others = ['dist/test/**/*.test.js', ...waiting.flatMap((file) => ['--ignore', file])];
process.exitCode = await runLanes([
  [...others, ...more],
  [...waiting, ...more],
]);

// `npm test`, after the build; `npm test -- -g TEXT` passes the arguments after `--` to Mocha. All tests run in parallel lanes:
// most of them one after another, and some of them meanwhile.
import { runLanes } from './lanes.mjs';
import { SIDE_LANES } from './side-lanes.mjs';

const more = process.argv.slice(2);
const pathOf = (name) => `dist/test/${name}.test.js`;
const beside = SIDE_LANES.map(({ files, nice, args = [] }) => ({ args: [...files.map(pathOf), ...args, ...more], nice }));
const aside = SIDE_LANES.flatMap(({ files }) => files.flatMap((name) => ['--ignore', pathOf(name)]));
process.exitCode = await runLanes([{ args: ['dist/test/**/*.test.js', ...aside, ...more] }, ...beside]);

// `npm test`, after the build; `npm test -- -g TEXT` passes the arguments after `--` to Mocha. All tests run in parallel lanes:
// most of them one after another, and some of them meanwhile. Many wait for real cameras, browsers and processes, which now and then
// stand still for seconds on a machine that others use as well. So a test that fails is run once more, and the report names it.
import { runLanes } from './lanes.mjs';
import { SIDE_LANES } from './side-lanes.mjs';

const more = ['--retries', '1', ...process.argv.slice(2)];
const pathOf = (name) => `dist/test/${name}.test.js`;
const beside = SIDE_LANES.map((files) => [...files.map(pathOf), ...more]);
const aside = SIDE_LANES.flat().flatMap((name) => ['--ignore', pathOf(name)]);
process.exitCode = await runLanes([['dist/test/**/*.test.js', ...aside, ...more], ...beside]);

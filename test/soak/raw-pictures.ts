/** `node dist/test/soak/raw-pictures.js [COUNT] [SEED]`: many raw pictures, of all kinds and described in many ways; fails at the first that is neither refused nor what it says. */
import { lookAtRawPictures } from '../lib/raw-pictures';

const [count = '10000', seed = '7'] = process.argv.slice(2);
void lookAtRawPictures(Number(count), Number(seed)).then((result) => console.log(JSON.stringify({ count: Number(count), ...result })));

// @ts-check
/**
 * The platforms of this service. package.json is the one place that names them: `engines`, on which
 * Node it runs; `production`, which Node, Debian and native binary are tested, shipped and meant for
 * production.
 *
 * Plain JavaScript without dependencies, because `scripts/start.mjs` needs it before anything is
 * built, and because it must still run on a Node that is too old for everything else.
 */
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Production
 * @property {string} node the major version of Node
 * @property {string} debian the version of Debian
 * @property {string} codename the name of that Debian
 * @property {string} abi the native interface of that Node (`process.versions.modules`), for which
 *   uWebSockets.js brings the binary `uws_<platform>_<arch>_<abi>.node`
 */

/** The last Node whose uWebSockets.js binary has the HTTP parser of early 2024. */
const OLD_PARSER_NODE = 20;

/** @type {{ engines: { node: string }, production: Production }} */
const { engines, production: shipped } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
);

/** @type {Readonly<Production>} */
export const production = Object.freeze(shipped);

/** Each major version that runs the service, with the oldest minor one: from `^20.19.0 || ^24.0.0`. */
const supported = engines.node.split('||').map((range) => {
  const [major = 0, minor = 0] = numbersOf(range.trim().replace('^', ''));
  return { major, minor };
});

/**
 * One sentence that says why the service cannot run on this version of Node, or null where it can.
 *
 * @param {string} [version] as in `process.versions.node`
 * @returns {string | null}
 */
export function whyNodeIsUnsupported(version = process.versions.node) {
  const [major = 0, minor = 0] = numbersOf(version);
  if (supported.some((one) => one.major === major && minor >= one.minor)) return null;
  const names = supported.map((one) =>
    one.minor === 0 ? String(one.major) : `${one.major} (${one.major}.${one.minor} or later)`,
  );
  const last = names.pop();
  return `This service needs Node ${names.join(', ')} or ${last}; this is Node ${version}.`;
}

/**
 * What whoever runs the service on this version of Node has to know, or null where there is nothing.
 *
 * @param {string} [version] as in `process.versions.node`
 * @returns {string | null}
 */
export function cautionAboutNode(version = process.versions.node) {
  const [major = 0] = numbersOf(version);
  if (String(major) === production.node) return null;
  const advice = `Production should run Node ${production.node} on Debian ${production.debian} (docs/platform.md).`;
  if (major > OLD_PARSER_NODE) return `Tested and shipped is another Node. ${advice}`;
  return (
    `The HTTP parser of uWebSockets.js for Node ${major} is of early 2024: it answers 505 to a request ` +
    'whose first line comes in two TCP segments, and nothing at all to one that has a header name ' +
    `with anything but letters, digits and "-". ${advice}`
  );
}

/** @param {string} version */
function numbersOf(version) {
  return version.split('.').map(Number);
}

/**
 * Every bound of the service (a count, a size, a wait that something must not exceed) is named in
 * src/bounds/ or has a variable in environment.ts, so that there is one place to look and one default.
 */
import { expect, it } from 'vitest';
import { placesOf, sourcesBelow } from './sources.ts';

/** Where bounds are named. */
const CATALOGUE = /^src\/(?:bounds\/|environment\.ts)/;

/** Numbers with the name of a bound that are none: what the wire, a system or a computation is made of. */
const NO_BOUNDS = [
  'ATTACHMENT_BYTES',
  'ATTEMPT_ROOM_MS',
  'BLOCK_BYTES',
  'DRAFT_OVERHEAD_BYTES',
  'END_OF_TIME_MS',
  'FIELD_BYTES',
  'FIRST_CAPACITY_BYTES',
  'FRAME_COST_BYTES',
  'IPV4_BYTES',
  'IPV6_BYTES',
  'IPV6_NETWORK_BYTES',
  'KEY_BYTES',
  'MAX_ACK_ID_DIGITS',
  'MAX_ATTACHMENT_DIGITS',
  'MAX_CACHED_KEYS',
  'MAX_CACHED_KEY_LENGTH',
  'MAX_DELAY_MS',
  'MAX_ELEMENT_NAME_LENGTH',
  'MAX_ENCODE_DEPTH',
  'MAX_FAST_DEPTH',
  'MAX_HEAD_BYTES',
  'MAX_NODE_ID_BYTES',
  'MAX_PORT',
  'MAX_TICK_MS',
  'MIN_PIECE_BYTES',
  'MIN_SHARE',
  'MIN_TICK_MS',
  'NEVER_MS',
  'NODE_BYTES',
  'PIECE_BYTES',
  'CHARACTER_BYTES',
  'PROBE_FRAME_BYTES',
  'SESSION_ID_BYTES',
  'SOCKET_ID_BYTES',
  'TAGGED_ID_BYTES',
  'TAG_BYTES',
];

const boundNames = (): Set<string> =>
  new Set(
    sourcesBelow('src/bounds').flatMap(({ text }) =>
      [...text.matchAll(/^export const (\w+)/gm)].map(([, name = '']) => name),
    ),
  );

it('a bound is named in the catalogue', () => {
  const rest = sourcesBelow('src').filter(({ name }) => !CATALOGUE.test(name));
  const named =
    /\bconst (?:DEFAULT_|MAX_|MIN_)\w+ = [\d(]|\bconst (?!MS_PER_)\w+_(?:MS|S|SECONDS|BYTES) = [\d(]/;
  const exempt = new RegExp(`\\bconst (?:${NO_BOUNDS.join('|')}) =`);
  // What work costs is a price list, not a bound.
  const places = placesOf(rest, named).filter((place) => !place.startsWith('src/chat/work.ts'));
  const bounds = places.filter((place) => {
    const [name = '', line = ''] = place.split(':');
    const text = rest.find((source) => source.name === name)?.text.split('\n')[Number(line) - 1];
    return !exempt.test(text ?? '');
  });
  expect(bounds).toEqual([]);
});

it('nothing in a layer stands for limits that are not given', () => {
  const rest = sourcesBelow('src').filter(({ name }) => !CATALOGUE.test(name));
  expect(placesOf(rest, /\b(?:default|DEFAULT_)\w*(?:Limits|LIMITS)\b/)).toEqual([]);
  // What a caller of the API leaves out has a default of its schema, and a budget may be one of its own.
  const bounds = new RegExp(`\\?\\? (?:${[...boundNames()].join('|')})\\b`);
  const places = placesOf(rest, bounds).filter((place) => !place.startsWith('src/chat/'));
  expect(places).toEqual([]);
});

it('what is exempt by its name has a name of its own', () => {
  const names = boundNames();
  expect(NO_BOUNDS.filter((name) => names.has(name))).toEqual([]);
});

it('a bound of several values, or in a schema, is in the catalogue, too', () => {
  const rest = sourcesBelow('src').filter(
    // A server for conformance suites alone.
    ({ name }) => !CATALOGUE.test(name) && !name.endsWith('/conformance-server.ts'),
  );
  expect(
    placesOf(rest, /\bconst \w+_(?:BOUNDS|PACE|LIMITS)\b.* = |\bmax(?:Length|Items): \d/),
  ).toEqual([]);
});

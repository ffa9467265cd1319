/**
 * rest: a history page at the head and at depth, a list of few and of many conversations, a message,
 * a conversation. Beside the same Fastify app on Node's http, and Express with pg. Several
 * connections with one request each at a time, so requests/s is what server and PostgreSQL give.
 */

import type { Sql } from 'postgres';
import { PRODUCT } from '../harness/chat-run.ts';
import { type BenchContext, failuresOf } from '../harness/context.ts';
import { createBenchDatabase } from '../harness/database.ts';
import {
  countConversations,
  countLong,
  fillDeep,
  LONG,
  listUser,
  READER,
} from '../harness/deep-database.ts';
import { type Call, get, measureCalls, post } from '../harness/http-run.ts';
import { type BenchResult, findRatios, type RatioWish, type Sample } from '../harness/result.ts';
import { userId } from '../load/ids.ts';

const PAGE = 50;
const NODE_HTTP = 'fastify-node-http';
const EXPRESS = 'obvious';
const METRIC = 'done_per_s';

export async function rest(context: BenchContext): Promise<BenchResult> {
  const messages = context.pick({ tiny: 200, quick: 100_000, full: 1_000_000 });
  const sizes = context.pick({ tiny: [2, 20], quick: [20, 1_000], full: [20, 5_000] });
  const listPage = context.pick({ tiny: 2, quick: 20, full: 20 });
  const names = [PRODUCT, NODE_HTTP, EXPRESS].filter((name) => context.wants(name));
  context.expect(1 + names.length * context.rounds);
  context.step(`filling a database with ${messages} messages`);
  const database = await createBenchDatabase(context.serverUrl, context.tree, false);
  const samples: Sample[] = [];
  try {
    await fillDeep(database.sql, messages, sizes);
    const calls = callsOf(database.sql, messages, sizes, listPage);
    for (let round = 0; round < context.rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        context.step(`round ${round + 1}/${context.rounds}: ${name}`);
        const measured = await measureCalls(context, name, database.url, calls);
        samples.push(...measured.map((sample) => ({ ...sample, round })));
      }
    }
  } finally {
    await database.drop();
  }
  const [few = 0, many = 0] = sizes;
  const against = (under: string, name: string, atLeast?: number): RatioWish => ({
    label: `${name}, requests/s, product / ${under}`,
    metric: METRIC,
    case: name,
    over: PRODUCT,
    under,
    ...(atLeast === undefined ? {} : { target: { atLeast } }),
  });
  return {
    name: 'rest',
    title: 'REST',
    settings: { messages, list_page: listPage, history_page: PAGE },
    samples,
    findings: findRatios(samples, [
      against(EXPRESS, 'history head', 3),
      against(NODE_HTTP, 'history head', 1.3),
      against(EXPRESS, 'history depth'),
      against(EXPRESS, `list of ${many}`),
      against(NODE_HTTP, `list of ${many}`),
      against(EXPRESS, 'send'),
      against(EXPRESS, 'create'),
      against(NODE_HTTP, 'health', 1.3),
      {
        label: `list of ${many} against list of ${few} conversations, time at the server and PostgreSQL`,
        metric: 'ack_p50_ms',
        case: `list of ${many}`,
        over: PRODUCT,
        under: PRODUCT,
        underCase: `list of ${few}`,
        target: { atMost: 1.2 },
      },
    ]),
    failures: failuresOf(samples, [PRODUCT, NODE_HTTP]),
  };
}

function callsOf(sql: Sql, messages: number, sizes: readonly number[], listPage: number): Call[] {
  const page = { status: 200, text: '"seq":', times: PAGE };
  const depth = messages - PAGE;
  return [
    {
      name: 'history head',
      requests: [get(`/messages/${LONG}?limit=${PAGE}`, READER)],
      expect: page,
    },
    {
      name: 'history depth',
      requests: [get(`/messages/${LONG}?limit=${PAGE}&offset=${depth}`, READER)],
      expect: page,
    },
    ...sizes.map((size) => ({
      name: `list of ${size}`,
      requests: [
        get(`/messages/conversations/${listUser(size)}?limit=${listPage}`, listUser(size)),
      ],
      expect: { status: 200, text: '"unread_count":', times: listPage },
    })),
    {
      // After the pages: it moves the head.
      name: 'send',
      requests: Array.from({ length: 10 }, (_, n) =>
        post(`/messages/${LONG}`, userId(n), { content: 'Hello {n}, when can we meet?' }),
      ),
      numbered: true,
      stored: () => countLong(sql),
      expect: { status: 201, text: '"success":true', times: 1 },
    },
    {
      name: 'health',
      requests: [get('/health')],
      expect: { status: 200, text: 'healthy', times: 1 },
    },
    {
      name: 'create',
      stored: () => countConversations(sql),
      // Of many people: what one person has made is made one after the other.
      requests: Array.from({ length: 20 }, (_, n) =>
        post('/messages', userId(n), { participant_ids: [userId(n), userId(n + 20)] }),
      ),
      expect: { status: 201, text: '"success":true', times: 1 },
    },
  ];
}

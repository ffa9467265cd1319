/** What a node knows of the others, and lets them know, of what they may not have heard from each other. */
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { probesGoRound, quick, up, useOwnRedis } from './redis-nodes.ts';

describe('the Redis bus', () => {
  const redis = useOwnRedis();
  const { start, pair } = redis;

  test('tells of a node that vanishes without a word, and of none that goes in order', async () => {
    const [a, b] = await pair();
    // Until they know who is there.
    for (let round = 0; round < 2; round += 1) await probesGoRound(a, b);
    const third = start('node-c');
    await up(third);
    await probesGoRound(a, b);
    await third.bus.close();
    for (let round = 0; round < 2; round += 1) await probesGoRound(a, b);
    expect([a.vanished, b.vanished]).toEqual([0, 0]);

    // To the others it is a node like any other.
    const vanishing = new Redis(redis.server.url);
    await vanishing.subscribe(`${redis.prefix}n`);
    await redis.admin.publish(`${redis.prefix}n`, 'node-d\ncame');
    for (let round = 0; round < 2; round += 1) await probesGoRound(a, b);
    expect([a.vanished, b.vanished]).toEqual([0, 0]);
    vanishing.disconnect();
    await waitFor(() => a.vanished === 1 && b.vanished === 1, { what: 'both nodes to be told' });
    for (let round = 0; round < 2; round += 1) await probesGoRound(a, b);
    expect([a.vanished, b.vanished]).toEqual([1, 1]);
    // Silent about its end: what it had to say may not have been said.
    const fourth = start('node-e');
    await up(fourth);
    await probesGoRound(a, b);
    await fourth.bus.close({ silently: true });
    await waitFor(() => a.vanished === 2 && b.vanished === 2, { what: 'both nodes to be told' });
    expect([a.gaps, b.gaps]).toEqual([0, 0]);
  });

  test('tells the others that its link was lost: what Redis confirmed may have been heard by nobody', async () => {
    const [a, b] = await pair();
    await probesGoRound(a, b);
    expect(a.bus.stats().pendingBytes).toBe(0);
    const clients = String(await redis.admin.client('LIST')).split('\n');
    const [, id = ''] =
      /^id=(\d+)/.exec(clients.find((line) => line.includes('bus:node-a:pub')) ?? '') ?? [];
    expect(await redis.admin.client('KILL', 'ID', id)).toBe(1);
    await waitFor(() => b.gaps > 0, { what: 'the other node to be told' });
    expect(a.bus.lost()).toBe(0);
  });

  test('that cannot count the nodes does not say that it hears all', async () => {
    await redis.admin.call(
      'ACL',
      'SETUSER',
      'counting',
      'reset',
      'on',
      '>pass',
      '+@all',
      '-pubsub',
      '&*',
    );
    const a = start('node-a', quick, `redis://counting:pass@127.0.0.1:${redis.server.port}`);
    await up(a);
    await probesGoRound(a);
    expect(a.bus.hearsAll()).toBe(false);
    await redis.admin.call('ACL', 'SETUSER', 'counting', '+pubsub');
    await waitFor(() => a.bus.hearsAll(), { what: 'the nodes to be counted' });
  });

  test('takes what it does not understand, and what its receiver threw at, for lost', async () => {
    const [a, b] = await pair();
    await b.bus.subscribe('room');
    await redis.admin.publish(`${redis.prefix}t:room`, 'x'.repeat(2_000_000));
    await waitFor(() => b.gaps === 1, { what: 'the gap' });
    b.bus.onMessage(() => {
      throw new Error('receiver');
    });
    a.bus.publish('room', Buffer.from('1'));
    await waitFor(() => b.gaps === 2, { what: 'the second gap' });
    expect(a.gaps).toBe(0);
  });

  test('knows of nodes of 0.1, whom it does not hear', async () => {
    const a = start('node-a');
    expect(a.bus.hearsAll()).toBe(false);
    await up(a);
    await probesGoRound(a);
    expect(a.bus.hearsAll()).toBe(true);
    const older = new Redis(redis.server.url);
    await older.subscribe(`${redis.prefix.replace('epoch:', '')}g`);
    await waitFor(() => !a.bus.hearsAll(), { what: 'the older node to be found' });
    expect(a.bus.status().ok).toBe(true);
    older.disconnect();
    await waitFor(() => a.bus.hearsAll(), { what: 'its end to be found' });
  });
});

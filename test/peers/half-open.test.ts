/** A link to Redis that is slow, or carries nothing any more though nobody has closed it. */
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { createLimits } from '../../src/limits/limits.ts';
import { createPeerRegistry } from '../../src/peers/registry.ts';
import { newId } from '../../src/shared/ids.ts';
import { collectingLog } from '../conformance/support.ts';
import { openRedisServer, redisUrl, uniquePrefix } from '../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function proxied(): Promise<{ proxy: TcpProxy; url: string }> {
  const { hostname, port } = new URL(redisUrl());
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  ends.push(proxy.stop);
  return { proxy, url: proxy.through(redisUrl()) };
}

describe('a slow link to Redis', () => {
  it('does not keep a process from being known when it has announced itself', async () => {
    const prefix = uniquePrefix();
    const { proxy, url } = await proxied();
    proxy.delay(100);
    const log = collectingLog();
    const server = openRedisServer(url, prefix);
    const registry = createPeerRegistry({ redis: server, tag: 'ours', log });
    ends.push(server.close, registry.close);
    const redis = new Redis(redisUrl());
    ends.push(() => redis.disconnect());
    await registry.announce({ host: '127.0.0.1', port: 1, key: 'k' });
    expect(await redis.get(`${prefix}peer:ours`)).toBe('127.0.0.1 1 k');
  });
});

describe('a half-open link to Redis', () => {
  it('is given up by the registry of peers, which finds and is found again', async () => {
    const prefix = uniquePrefix();
    const { proxy, url } = await proxied();
    const registry = (tag: string, at: string) => {
      const server = openRedisServer(at, prefix);
      const made = createPeerRegistry({ redis: server, tag, log: collectingLog() });
      ends.push(server.close, made.close);
      return made;
    };
    const [ours, other] = [registry('ours', url), registry('other', redisUrl())];
    const address = { host: '127.0.0.1', port: 1, key: 'k' };
    await Promise.all([ours.announce(address), other.announce(address)]);
    const silence = proxy.swallowNext({ from: 'client', text: 'peer:', effect: 'silence' });
    expect(await ours.find('other')).toBeUndefined();
    await silence;
    expect(await waitFor(() => ours.find('other'), { what: 'a new link' })).toEqual(address);
  });

  it('is given up by the limits, which count with the other nodes again', async () => {
    const prefix = uniquePrefix();
    const { proxy, url } = await proxied();
    const rates = {
      sends: 5,
      requests: 5,
      fanOut: 256,
      events: 5,
      connections: 5,
      failedHandshakes: 5,
    };
    const node = (at: string) => {
      const server = openRedisServer(at, prefix);
      ends.push(server.close);
      const limits = createLimits({
        rates: { ...rates, windowSeconds: 60 },
        redis: server,
        trustedProxies: [],
      });
      return limits.sends;
    };
    const [ours, other] = [node(url), node(redisUrl())];
    /** Whether a person who has used up the limit at the other node is refused at ours. */
    const countedTogether = async (): Promise<boolean> => {
      const person = newId();
      for (let n = 0; n < rates.sends; n += 1) await other?.consume(person);
      return (await ours?.consume(person).catch(() => 'refused')) === 'refused';
    };
    await waitFor(countedTogether, { what: 'both links' });
    const silence = proxy.swallowNext({ from: 'client', text: prefix, effect: 'silence' });
    expect(await countedTogether()).toBe(false);
    await silence;
    await waitFor(countedTogether, { what: 'a new link' });
  });
});

/** One client is one key, on every door and in every spelling, and nothing it writes changes that. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createClientAddress } from '../../src/limits/client-address.ts';
import { open } from '../http/raw-http.ts';
import { useScene } from '../support/scene.ts';

/** The key of a client whose request comes from `address` with this X-Forwarded-For. */
function keyOf(trusted: readonly string[], address: string, forwardedFor?: string): string {
  const headers = new Map(forwardedFor === undefined ? [] : [['x-forwarded-for', forwardedFor]]);
  return createClientAddress(trusted)({ address, headers });
}

describe('the address of a client', () => {
  it('is the remote one when no proxy is trusted, whatever it says', () => {
    expect(keyOf([], '192.0.2.1', '10.0.0.1')).toBe('192.0.2.1');
  });

  const proxies = ['10.0.0.0/8', 'loopback'];

  it.each([
    ['127.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['::1', '203.0.113.5', '203.0.113.5'],
    ['10.1.2.3', '198.51.100.7, 203.0.113.5, 10.0.0.9', '203.0.113.5'],
    ['10.1.2.3', '198.51.100.7, 203.0.113.5:5678, [::ffff:10.0.0.9]:80', '203.0.113.5'],
    ['192.0.2.1', '203.0.113.5', '192.0.2.1'],
    ['10.1.2.3', undefined, '10.1.2.3'],
    ['10.1.2.3', '10.0.0.7', '10.0.0.7'],
  ])('from %s with %s is the first one from the right that is no trusted proxy', (...given) => {
    const [remote, forwardedFor, expected] = given;
    expect(keyOf(proxies, remote, forwardedFor)).toBe(expected);
  });

  it.each(['unknown', '999.1.1.1', 'x'.repeat(500), '_hidden', '1.2.3.4.5', '%'])(
    'is the last trusted proxy when that passed on %j, which is no address',
    (garbage) => {
      expect(keyOf(proxies, '10.1.2.3', garbage)).toBe('10.1.2.3');
      expect(keyOf(proxies, '10.1.2.3', `203.0.113.5, ${garbage}, 10.0.0.9`)).toBe('10.0.0.9');
    },
  );

  it('does not change with what the client has written in front', () => {
    for (const made of [
      '1.1.1.1',
      'garbage',
      '10.0.0.1',
      ',',
      ' , ,',
      '\u00e9',
      '1.1.1.1,'.repeat(1_000),
    ]) {
      expect(keyOf(proxies, '10.1.2.3', `${made}, 203.0.113.5, 10.0.0.9`)).toBe('203.0.113.5');
    }
  });

  it('is one for all spellings, and for all addresses of a /64', () => {
    const v4 = [
      '192.0.2.1',
      '192.0.2.1:1',
      '::ffff:192.0.2.1',
      '::FFFF:C000:201',
      '64:ff9b::c000:201',
    ];
    expect(new Set(v4.map((text) => keyOf(proxies, '10.0.0.1', text)))).toEqual(
      new Set(['192.0.2.1']),
    );
    const v6 = [
      '2001:db8:1:2::1',
      '[2001:DB8:1:2:0:0:0:1]:443',
      '2001:db8:1:2:ffff:ffff:ffff:ffff%eth0',
    ];
    expect(new Set(v6.map((text) => keyOf(proxies, '10.0.0.1', text)))).toEqual(
      new Set(['2001:db8:1:2::/64']),
    );
    expect(keyOf([], '2001:db8:1:2::9')).toBe('2001:db8:1:2::/64');
    expect(keyOf([], '2001:db8:1:3::9')).toBe('2001:db8:1:3::/64');
  });

  it('is judged trusted by itself, not by its /64', () => {
    expect(keyOf(['2001:db8::1'], '2001:db8::1', '203.0.113.5')).toBe('203.0.113.5');
    expect(keyOf(['2001:db8::1'], '2001:db8::2', '203.0.113.5')).toBe('2001:db8::/64');
  });
});

describe('both doors', () => {
  const scene = useScene({
    settings: {
      RATE_LIMIT: 'on',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      RATE_LIMIT_FAILED_HANDSHAKES: '2',
      TRUSTED_PROXIES: 'loopback',
    },
  });

  /** The status for a request with these X-Forwarded-For fields, each a line of its own. */
  async function statusOf(path: string, forwardedFor: readonly string[]): Promise<number> {
    const client = await open(scene.app.port);
    const fields = forwardedFor.map((value) => `X-Forwarded-For: ${value}\r\n`).join('');
    client.send(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-user-id: nobody\r\n${fields}\r\n`);
    const { status } = await client.response();
    client.close();
    return status;
  }
  const rest = (...forwardedFor: string[]) =>
    statusOf(`/messages/conversations/${randomUUID()}`, forwardedFor);
  const handshake = (...forwardedFor: string[]) =>
    statusOf('/socket.io/?EIO=4&transport=polling', forwardedFor);

  it('know a client by the same key, however often the field stands there', async () => {
    expect(await rest('203.0.113.1, 192.0.2.1')).toBe(401);
    expect(await rest('203.0.113.2', '192.0.2.1')).toBe(401);
    expect(await rest('192.0.2.1')).toBe(429);
    expect(await handshake('192.0.2.1')).toBe(429);
    expect(await handshake('203.0.113.3', '192.0.2.1')).toBe(429);
    expect(await handshake('192.0.2.1', '127.0.0.2')).toBe(429);
    // Those it has named are not made to pay for it.
    expect(await handshake('203.0.113.1')).toBe(200);
    expect(await handshake('192.0.2.1', '203.0.113.2')).toBe(200);
  });

  it('know an IPv6 client by its network', async () => {
    expect(await rest('2001:db8:0:1::1')).toBe(401);
    expect(await rest('[2001:DB8::1:0:0:0:2]:443')).toBe(401);
    expect(await rest('2001:db8:0:1:1:2:3:4')).toBe(429);
    expect(await handshake('2001:db8:0:1:ffff::')).toBe(429);
    expect(await handshake('2001:db8:0:2::1')).toBe(200);
  });
});

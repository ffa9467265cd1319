/**
 * Whoever guesses tokens is stopped after so many, through whichever door and from as many addresses
 * of a network as he likes; and nobody else pays for it.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ChatError } from '../../src/chat/errors.ts';
import { createGate } from '../../src/limits/gate.ts';
import { hmacSigner, inAMinute } from '../auth/forge.ts';
import { type RawSocket, rawSocket } from '../conformance/support.ts';
import { open } from '../http/raw-http.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** The default of RATE_LIMIT_FAILED_HANDSHAKES. */
const MAX_FAILURES = 100;
const GUESSES = 10_000;
/** Fewer: a connection takes one call after another. */
const REST_GUESSES = 3_000;
const secret = 'a secret of at least thirty-two bytes';
const sub = randomUUID();
const tokenBy = (key: string) =>
  hmacSigner(key)({ alg: 'HS256' }, { sub, jti: randomUUID(), exp: inAMinute() + 3_600 });
const goodToken = tokenBy(secret);
const wrongTokens = Array.from({ length: GUESSES }, () =>
  tokenBy('another secret of at least thirty-two bytes'),
);

let db: TestDatabase;
let app: TestApp;
/** How many signatures have been looked at. */
let looked = () => 0;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  app = await startTestApp(db.url, {
    JWT_SECRET: secret,
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '3600',
    TRUSTED_PROXIES: 'loopback',
  });
  const verify = vi.spyOn(globalThis.crypto.subtle, 'verify');
  looked = () => verify.mock.calls.length;
});
afterEach(async () => {
  vi.restoreAllMocks();
  await app.stop();
});

/** Another address of the guesser's network. */
const ofNetwork = (network: number) =>
  `2001:db8:0:${network.toString(16)}:${randomUUID().slice(0, 4)}::1`;

function socketFrom(address: string): RawSocket {
  const url = `ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket`;
  return rawSocket(url, { headers: { 'x-forwarded-for': address } });
}

/** A WebSocket with a good token; undefined where it is not let in. */
async function connectedFrom(address: string): Promise<RawSocket | undefined> {
  const socket = socketFrom(address);
  const refused = socket.closed().then(() => undefined);
  if ((await Promise.race([socket.next(), refused])) === undefined) return undefined;
  socket.send(`40${JSON.stringify({ token: goodToken })}`);
  const answer = await Promise.race([socket.next(), refused]);
  return String(answer).startsWith('40') ? socket : undefined;
}

/** Statuses of REST calls with these tokens, over one connection. */
async function restStatuses(tokens: readonly string[], address: () => string): Promise<number[]> {
  const client = await open(app.port);
  const statuses: number[] = [];
  for (const token of tokens) {
    client.send(
      `GET /messages/conversations/${sub} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${token}\r\nX-Forwarded-For: ${address()}\r\n\r\n`,
    );
    statuses.push((await client.response()).status);
  }
  client.close();
  return statuses;
}

/** Whether a good token is served from there, by every door. */
async function servedFrom(address: string): Promise<boolean> {
  const [status] = await restStatuses([goodToken], () => address);
  const socket = await connectedFrom(address);
  if (status !== 200 || socket === undefined) return false;
  socket.send(`420${JSON.stringify(['refresh_token', { token: goodToken }])}`);
  const answer = String(await socket.next());
  socket.ws.terminate();
  return answer.startsWith('430[{"success":true');
}

describe('one who guesses tokens', () => {
  it('by refresh_token on open sockets', async () => {
    for (let at = 0; at < GUESSES; at += 1_000) {
      const socket = await connectedFrom(ofNetwork(1));
      if (socket === undefined) break;
      for (const token of wrongTokens.slice(at, at + 1_000)) {
        socket.send(`420${JSON.stringify(['refresh_token', { token }])}`);
      }
      await socket.closed();
    }
    // One of them is the good token of the sockets themselves.
    expect(looked()).toBeLessThanOrEqual(MAX_FAILURES + 1);
    expect(await servedFrom(ofNetwork(1))).toBe(false);
    expect(await servedFrom(ofNetwork(2))).toBe(true);
  });

  it('by CONNECT again and again on one transport', async () => {
    const socket = socketFrom(ofNetwork(1));
    await socket.next();
    for (const token of wrongTokens) {
      if (socket.ws.readyState !== socket.ws.OPEN) break;
      socket.send(`40${JSON.stringify({ token })}`);
      await Promise.race([socket.next(), socket.closed()]);
    }
    await socket.closed();
    // Nobody yet, it may send few packets of any kind.
    expect(looked()).toBeLessThanOrEqual(32);
    expect(await servedFrom(ofNetwork(2))).toBe(true);
  });

  it('by CONNECT on as many transports as he likes', async () => {
    let admitted = 0;
    for (const token of wrongTokens) {
      const socket = socketFrom(ofNetwork(1));
      const first = await Promise.race([socket.next(), socket.closed()]);
      if (typeof first === 'number') break;
      admitted += 1;
      socket.send(`40${JSON.stringify({ token })}`);
      await socket.next();
      socket.ws.terminate();
    }
    expect([admitted, looked()]).toEqual([MAX_FAILURES, MAX_FAILURES]);
    expect(await servedFrom(ofNetwork(2))).toBe(true);
  });

  it('by REST', async () => {
    const share = REST_GUESSES / 20;
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        restStatuses(wrongTokens.slice(n * share, (n + 1) * share), () => ofNetwork(1)),
      ),
    );
    const refused = statuses.flat().filter((status) => status === 401).length;
    expect([refused, looked()]).toEqual([MAX_FAILURES, MAX_FAILURES]);
    expect(statuses.flat().filter((status) => status === 429).length).toBe(
      REST_GUESSES - MAX_FAILURES,
    );
    expect(await servedFrom(ofNetwork(1))).toBe(false);
    expect(await servedFrom(ofNetwork(2))).toBe(true);
  });

  it('by all doors together', async () => {
    const socket = await connectedFrom(ofNetwork(1));
    for (const token of wrongTokens.slice(0, 9)) {
      socket?.send(`420${JSON.stringify(['refresh_token', { token }])}`);
      await socket?.next();
    }
    const statuses = await restStatuses(wrongTokens.slice(9, 120), () => ofNetwork(1));
    expect(statuses.filter((status) => status === 401).length).toBe(MAX_FAILURES - 9);
    // The socket is one of somebody who is known; what it may not do any more is guess.
    socket?.send(`421${JSON.stringify(['refresh_token', { token: goodToken }])}`);
    expect(String(await socket?.next())).toContain('"code":"rate_limited"');
    socket?.ws.terminate();
  });
});

describe('the gate', () => {
  const wrong = () => Promise.reject(new ChatError('unauthenticated', 'no'));
  const gate = (refused = vi.fn(), maxFailures = 3) =>
    createGate({
      windowMs: 60_000,
      maxConnections: 2,
      maxFailures,
      maxStrays: 2,
      clientAddress: ({ address }) => address,
      refused,
    });
  const facts = (address: string) => ({ address, headers: new Map<string, string>() });
  const codeOf = (error: unknown) => (error instanceof ChatError ? error.code : error);

  it('lets a newcomer in, whatever a hundred thousand others have done', async () => {
    const { admits, admitsStray, strayed, guard } = gate(vi.fn(), 1);
    for (let n = 0; n < 100_000; n += 1) {
      const from = facts(`2001:db8:${n.toString(16)}::/64`);
      for (let again = 0; again < 2; again += 1) {
        admits(from);
        strayed(from);
      }
      await guard(from.address, wrong).catch(codeOf);
      // Each of them has had what there is for it.
      if (n % 10_000 === 0) expect([admits(from), admitsStray(from)]).toEqual([false, false]);
    }
    for (let n = 0; n < 10; n += 1) {
      const fresh = facts(`192.0.2.${n}`);
      expect([admits(fresh), admitsStray(fresh)]).toEqual([true, true]);
      expect(await guard(fresh.address, async () => 'somebody')).toBe('somebody');
    }
  });

  it('looks at no more than may fail, though a thousand are begun at once', async () => {
    const { guard } = gate();
    const prove = vi.fn(async () => {
      await new Promise(setImmediate);
      return wrong();
    });
    const codes = await Promise.all(
      Array.from({ length: 1_000 }, () => guard('a', prove).catch(codeOf)),
    );
    expect(prove).toHaveBeenCalledTimes(3);
    expect(codes.filter((code) => code === 'unauthenticated').length).toBe(3);
    expect(codes.filter((code) => code === 'rate_limited').length).toBe(997);
    expect(await guard('b', async () => 'somebody')).toBe('somebody');
  });

  it('lets a thousand good ones through at once, and those it cannot judge', async () => {
    const refused = vi.fn();
    const { guard } = gate(refused);
    const later = async (value: string) => {
      await new Promise(setImmediate);
      return value;
    };
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => guard('a', () => later(`${n}`))),
    );
    expect(answers).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
    const away = () => Promise.reject(new ChatError('unavailable', 'no keys'));
    const codes = await Promise.all(
      Array.from({ length: 1_000 }, () => guard('a', away).catch(codeOf)),
    );
    expect(new Set(codes)).toEqual(new Set(['unavailable']));
    expect(refused).not.toHaveBeenCalled();
  });

  it('says what it has turned away, and until when', async () => {
    const refused = vi.fn();
    const { admits, admitsStray, strayed, guard } = gate(refused);
    for (let n = 0; n < 3; n += 1) await guard('a', wrong).catch(codeOf);
    await expect(guard('a', wrong)).rejects.toMatchObject({
      code: 'rate_limited',
      retryAfterSeconds: 60,
    });
    expect(admits(facts('a'))).toBe(false);
    strayed(facts('b'));
    strayed(facts('b'));
    expect(admitsStray(facts('b'))).toBe(false);
    expect(refused.mock.calls.flat()).toEqual(['identities', 'connections', 'strays']);
  });
});

/** What each door makes of a token: `ok`, or the code it refuses with. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'socket.io-client';
import { ask, type TestApp } from '../support/app.ts';

/** The REST door: any route asks who calls before it looks at anything else. */
export async function restVerdict(app: TestApp, token: string): Promise<string> {
  const response = await fetch(`${app.url}/messages/${randomUUID()}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = (await response.json()) as { error?: { code: string } };
  // Past authentication: that conversation does not exist, said as each kind of caller is told.
  if (response.status === 403 && body.error?.code === 'not_a_participant') return 'ok: user';
  if (response.status === 404 && body.error?.code === 'not_found') return 'ok: service';
  return `${response.status} ${body.error?.code}`;
}

/** The handshake of the stock client. */
export async function socketVerdict(app: TestApp, token: string): Promise<string> {
  const client = app.connect('', {
    auth: { token },
    query: {},
    transports: ['websocket'],
    reconnection: false,
  });
  try {
    return await new Promise<string>((resolve, reject) => {
      client.once('connect', () => resolve('ok'));
      client.once('connect_error', (error: Error & { data?: { code: string } }) =>
        error.data === undefined ? reject(error) : resolve(error.data.code),
      );
    });
  } finally {
    client.close();
  }
}

/** A live connection that presents the token as its next one. */
export async function refreshVerdict(client: Socket, token: string): Promise<string> {
  const answer = await ask(client, 'refresh_token', { token });
  return answer.success ? 'ok' : answer.error.code;
}

/** Text on its way to clients: the same at both ends, whatever it is, however V8 holds it. */
import fc from 'fast-check';
import type { Socket as ClientSocket } from 'socket.io-client';
import { describe, expect, it } from 'vitest';
import { anyText, BROKEN, heldVariously, longLatin, longText, SCRIPTS } from '../support/texts.ts';
import { once } from '../support/wait.ts';
import { connect, connected, type Served, serve, TRANSPORTS } from './stock-client-support.ts';

const TOPIC = 'everybody';
const RUNS = 60;

/** A server that says each text in every way there is, and a client of it. */
async function sayer(
  options: Parameters<typeof connected>[1],
  transport: string,
): Promise<{ served: Served; client: ClientSocket }> {
  const served = await serve({
    onConnected: (socket) => socket.join(TOPIC),
    onEvent(socket, _event, args, ack) {
      socket.emit('alone', ...args);
      served.server.publish(TOPIC, `42${JSON.stringify(['all', ...args])}`);
      served.server.publish(TOPIC, Buffer.from(`42${JSON.stringify(['bytes', ...args])}`));
      ack?.json(JSON.stringify(args[0]), TOPIC);
    },
  });
  const client = await connected(served.url, { ...options, reconnection: false }, transport);
  return { served, client };
}

/** What the client hears when it says `text`: by itself, with all, as bytes, as acknowledgement. */
async function heard(client: ClientSocket, text: string): Promise<unknown[]> {
  const events = ['alone', 'all', 'bytes'].map(async (event) => (await once(client, event))[0]);
  return Promise.all([...events, client.timeout(10_000).emitWithAck('say', text)]);
}

describe.each(TRANSPORTS)('over %s', (_name, options, transport) => {
  it('is the same in every script, short and long', async () => {
    const { served, client } = await sayer(options, transport);
    const texts = [...SCRIPTS.map(([, text]) => text), longText(), longLatin(), '', 'plain'];
    for (const text of texts) expect(await heard(client, text)).toEqual(Array(4).fill(text));
    expect(served.errors).toEqual([]);
  });

  it('is the same for any code points', async () => {
    const { client } = await sayer(options, transport);
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect(await heard(client, text)).toEqual(Array(4).fill(text));
      }),
      { numRuns: RUNS },
    );
  });

  it('is the same however V8 holds it', async () => {
    const { served, client } = await sayer(options, transport);
    for (const content of ['é'.repeat(20), '漢字é'.repeat(9), longLatin(), longText()]) {
      for (const [how, frame] of heldVariously(`42["all",${JSON.stringify(content)}]`)) {
        const next = once(client, 'all');
        served.server.publish(TOPIC, frame);
        expect({ how, content: (await next)[0] }).toEqual({ how, content });
      }
    }
  });

  it('shows half a pair as U+FFFD and goes on', async () => {
    const { served, client } = await sayer(options, transport);
    for (const text of BROKEN) {
      const next = once(client, 'all');
      served.server.publish(TOPIC, `42["all","${text}"]`);
      expect((await next)[0]).toBe(text.toWellFormed());
    }
  });

  it('is in the name of a namespace nobody serves', async () => {
    const { served } = await sayer(options, transport);
    for (const [, text] of SCRIPTS) {
      const name = `/${text.replaceAll(/[,?]/g, '')}`;
      const client = connect(served.url + encodeURI(name).replace(/^/, ''), {
        ...options,
        autoConnect: false,
      });
      client.close();
      const other = client.io.socket(name);
      const refused = once<[Error]>(other, 'connect_error');
      client.io.open();
      other.connect();
      expect((await refused)[0].message).toBe('Invalid namespace');
      other.close();
    }
  });

  it('can name what is joined', async () => {
    const { served, client } = await sayer(options, transport);
    const [socket] = served.sockets;
    const names = SCRIPTS.flatMap(([, text]) => heldVariously(text));
    for (const [, name] of names) {
      socket?.join(name);
      expect(served.server.subscribers(name)).toBe(1);
      const next = once(client, 'all');
      served.server.publish(`not ${name}`, '42["all","wrong"]');
      served.server.publish(name, '42["all","right"]');
      expect((await next)[0]).toBe('right');
      socket?.leave(name);
      expect(served.server.subscribers(name)).toBe(0);
    }
  });
});

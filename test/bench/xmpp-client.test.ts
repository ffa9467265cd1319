/** The XMPP client of the load generator, against a server that says what the test wants. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { elementEnd, XmppClient } from '../../bench/load/xmpp-client.ts';
import { waitFor } from '../support/wait.ts';

const SM = "xmlns='urn:xmpp:sm:3'";
const OPENED = "<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client'>";
const FEATURES = `${OPENED}<stream:features><sm ${SM}/></stream:features>`;
const message = (n: number, type = 'chat') =>
  `<message to='b@localhost/1' from='a@localhost/2' type='${type}' id='${n}' ` +
  `xmlns='jabber:client'><stanza-id by='b@localhost' id='1669' xmlns='urn:xmpp:sid:0'/>` +
  `<body>#0000000009 x</body></message>`;

function endsOf(text: string): number[] {
  const bytes = Buffer.from(text);
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    at = elementEnd(bytes, at);
    if (at < 0) break;
    ends.push(at);
  }
  return ends;
}

describe('elements', () => {
  const elements = [
    "<?xml version='1.0'?>",
    "<stream:stream id='1'>",
    '<stream:features><a/><b>c</b></stream:features>',
    `<a ${SM} h='1'/>`,
    message(7),
    `<r ${SM}/>`,
    "<iq type='result'><bind><jid>a@b</jid></bind></iq>",
    '</stream:stream>',
  ];

  it('are found one after another', () => {
    let end = 0;
    expect(endsOf(elements.join(''))).toEqual(elements.map((e) => (end += e.length)));
  });

  it('are left for later where they are cut', () => {
    for (const element of elements) {
      for (let cut = 1; cut < element.length; cut += 1) {
        expect([element, endsOf(element.slice(0, cut))]).toEqual([element, []]);
      }
    }
  });
});

describe('a client', () => {
  let server: Server;
  let peer: Socket;
  let heard = '';
  let client: XmppClient;
  const told: unknown[] = [];

  /** Resolves when the client has said it. */
  async function says(text: string): Promise<void> {
    while (!heard.includes(text)) await once(peer, 'data');
    heard = heard.slice(heard.indexOf(text) + text.length);
  }
  /** Resolves when the client was told so many things. */
  async function tells(count: number): Promise<unknown[]> {
    await waitFor(() => told.length >= count, { what: `${count} calls`, intervalMs: 1 });
    return told.splice(0);
  }

  beforeEach(async () => {
    heard = '';
    told.length = 0;
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connected = once(server, 'connection');
    client = new XmppClient(
      { index: 0, port, user: 'b', to: 'a' },
      {
        onJoined: () => told.push('joined'),
        onMessage: (_client, seq) => told.push({ seq }),
        onAck: (_client, id) => told.push({ id }),
        onError: (_client, text) => told.push({ text }),
        onClose: () => undefined,
      },
    );
    [peer] = await connected;
    peer.setEncoding('latin1').on('data', (text: string) => (heard += text));
    await says('<stream:stream');
    peer.write(FEATURES);
    await says(`${Buffer.from('\0b\0secret').toString('base64')}</auth>`);
    peer.write("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    await says('<stream:stream');
    peer.write(FEATURES);
    await says('<bind');
    peer.write("<iq type='result' id='bind'><bind><jid>b@localhost/1</jid></bind></iq>");
    await says(`<presence/><r ${SM}/>`);
    peer.write(`<enabled ${SM} id='x'/><a ${SM} h='1'/>`);
    expect(await tells(1)).toEqual(['joined']);
  });

  afterEach(async () => {
    client.destroy();
    server.close();
    await once(server, 'close');
  });

  it('takes an acknowledgement for all that it covers, the oldest first', async () => {
    for (const id of [11, 12, 13]) client.send(id, 'x');
    await says(`type='chat' id='3'><body>x</body></message><r ${SM}/>`);
    peer.write(`<a h='3' ${SM}/><a h='3' ${SM}/>`);
    expect(await tells(2)).toEqual([{ id: 11 }, { id: 12 }]);
    peer.write(`<a h='4' ${SM}/>`);
    expect(await tells(1)).toEqual([{ id: 13 }]);
  });

  it('reads the number of a message that comes in pieces, and acknowledges what it has heard', async () => {
    const text = `${message(1)}${message(2)}<r ${SM}/>`;
    peer.setNoDelay(true);
    for (const piece of [text.slice(0, 5), text.slice(5, 250), text.slice(250)]) {
      await new Promise<void>((resolve) => {
        peer.write(piece, () => resolve());
      });
    }
    expect(await tells(2)).toEqual([{ seq: 1 }, { seq: 2 }]);
    await says(`<a ${SM} h='2'/>`);
  });

  it('tells of a message that is an error, and of a stream error', async () => {
    const refused = message(3, 'error');
    const over = '<stream:error><conflict/></stream:error>';
    peer.write(refused + over);
    expect(await tells(2)).toEqual([{ text: refused }, { text: over }]);
  });
});

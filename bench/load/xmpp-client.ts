/**
 * One raw XMPP client (RFC 6120): TCP without TLS, SASL PLAIN, one resource, stream management
 * (XEP-0198). Elements are found by their closing tag and told apart by their first bytes; of a message
 * it reads only the sender's number and whether it is an error.
 */
import type { Socket } from 'node:net';
import { numberAt, openStream } from './stream.ts';

export interface XmppEvents {
  /** Signed in, present, and stream management is on. */
  onJoined(client: XmppClient): void;
  /** `from..to` is the stanza in `buffer`, valid during the call only; `seq` its sender's number. */
  onMessage(client: XmppClient, seq: number, buffer: Buffer, from: number, to: number): void;
  /** The server has handled the send with such an id, and those before it. */
  onAck(client: XmppClient, id: number, buffer: Buffer, from: number, to: number): void;
  onError(client: XmppClient, text: string): void;
  onClose(client: XmppClient): void;
}

/** The host that the server serves. */
const XMPP_HOST = 'localhost';
/** Everybody's. */
export const XMPP_PASSWORD = 'secret';

const HEADER =
  `<?xml version='1.0'?><stream:stream to='${XMPP_HOST}' version='1.0' xmlns='jabber:client' ` +
  `xmlns:stream='http://etherx.jabber.org/streams'>`;
const BIND = `<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`;
const SM = `xmlns='urn:xmpp:sm:3'`;
const ASK = `<r ${SM}/>`;
const ENABLE = `<enable ${SM} resume='true'/><presence/>${ASK}`;
/** The presence is the first stanza that is counted. */
const STANZAS_BEFORE = 1;

const MESSAGE_END = Buffer.from('</message>');
const TYPE_KEY = Buffer.from(" type='");
const ID_KEY = Buffer.from(" id='");
const H_KEY = Buffer.from(" h='");
const [SPACE, SLASH, GREATER, QUESTION] = [0x20, 0x2f, 0x3e, 0x3f];
const [LETTER_A, LETTER_E, LETTER_M, LETTER_R] = [0x61, 0x65, 0x6d, 0x72];

export class XmppClient {
  readonly index: number;
  room = 0;
  private readonly socket: Socket;
  private readonly events: XmppEvents;
  private readonly credential: string;
  private readonly head: string;
  private signedIn = false;
  private bound = false;
  private joined = false;
  /** Stanzas heard since stream management is on. */
  private handled = 0;
  /** Ids of its sends that are not acknowledged, the oldest at `oldest`. */
  private unanswered: number[] = [];
  private oldest = 0;
  private acknowledged = STANZAS_BEFORE;
  private sent = 0;
  /** What is to be written when all that has come was read; null: nothing is being read. */
  private answers: string | null = null;

  /** @param to whom it sends */
  constructor(
    { index, port, user, to }: { index: number; port: number; user: string; to: string },
    events: XmppEvents,
  ) {
    this.index = index;
    this.events = events;
    this.credential = Buffer.from(`\0${user}\0${XMPP_PASSWORD}`).toString('base64');
    this.head = `<message to='${to}@${XMPP_HOST}' type='chat' id='`;
    this.socket = openStream(port, {
      take: (buffer, end) => this.take(buffer, end),
      onError: (text) => this.events.onError(this, text),
      onClose: () => this.events.onClose(this),
    });
    this.write(HEADER);
  }

  /**
   * Sends a message, numbered among its own, and asks whether it was handled.
   *
   * @param id what `onAck` names
   * @param content text that needs no escaping in XML
   */
  send(id: number, content: string): void {
    this.sent += 1;
    this.unanswered.push(id);
    this.write(`${this.head}${this.sent}'><body>${content}</body></message>${ASK}`);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private write(text: string): void {
    if (this.answers === null) this.socket.write(text, 'latin1');
    else this.answers += text;
  }

  private take(buffer: Buffer, end: number): number {
    const view = buffer.subarray(0, end);
    let at = 0;
    this.answers = '';
    while (at < end) {
      const to = elementEnd(view, at);
      if (to < 0) break;
      this.element(view, at, to);
      at = to;
    }
    const { answers } = this;
    this.answers = null;
    if (answers !== '') this.write(answers);
    return at;
  }

  private element(buffer: Buffer, from: number, to: number): void {
    const first = buffer[from + 1];
    if (first === LETTER_M) this.message(buffer, from, to);
    else if (first === LETTER_A && buffer[from + 2] === SPACE) this.answer(buffer, from, to);
    else if (first === LETTER_R) this.write(`<a ${SM} h='${this.handled}'/>`);
    else this.signIn(buffer.toString('utf8', from, to));
  }

  // <message … to='…' from='…' type='chat' id='7' …><stanza-id …/><body>…</body></message>
  private message(buffer: Buffer, from: number, to: number): void {
    this.handled += 1;
    // Nothing but `error`, and ours are `chat`.
    if (buffer[buffer.indexOf(TYPE_KEY, from) + TYPE_KEY.length] === LETTER_E) {
      this.events.onError(this, buffer.toString('utf8', from, to));
      return;
    }
    const seq = numberAt(buffer, buffer.indexOf(ID_KEY, from) + ID_KEY.length, to);
    this.events.onMessage(this, seq, buffer, from, to);
  }

  // <a h='8' xmlns='urn:xmpp:sm:3'/>
  private answer(buffer: Buffer, from: number, to: number): void {
    const count = numberAt(buffer, buffer.indexOf(H_KEY, from) + H_KEY.length, to);
    if (!this.joined) {
      this.joined = true;
      this.events.onJoined(this);
    }
    while (this.acknowledged < count) {
      this.acknowledged += 1;
      const id = this.unanswered[this.oldest] ?? -1;
      this.oldest += 1;
      if (this.oldest === this.unanswered.length) {
        this.unanswered = [];
        this.oldest = 0;
      }
      this.events.onAck(this, id, buffer, from, to);
    }
  }

  /** What comes before its first message, and what ends a stream. */
  private signIn(text: string): void {
    if (text.startsWith('<stream:features')) {
      const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>`;
      this.write(this.signedIn ? BIND : `${auth}${this.credential}</auth>`);
    } else if (text.startsWith('<success')) {
      this.signedIn = true;
      this.write(HEADER);
    } else if (text.startsWith('<iq') && !this.bound && text.includes(`type='result'`)) {
      this.bound = true;
      this.write(ENABLE);
    } else if (text.startsWith('<enabled')) this.handled = 0;
    else if (text.startsWith('<iq') || text.startsWith('<presence')) this.handled += 1;
    else if (!text.startsWith('<?xml') && !text.startsWith('<stream:stream')) {
      this.events.onError(this, text);
    }
  }
}

/**
 * Where the element that begins at `at` ends: `>` for one without content, the header of a stream
 * and the declaration before it, else its closing tag.
 *
 * @returns -1 when it is not all there
 */
export function elementEnd(buffer: Buffer, at: number): number {
  const head = buffer.indexOf(GREATER, at);
  if (head < 0) return -1;
  if (buffer[head - 1] === SLASH || buffer[at + 1] === QUESTION) return head + 1;
  let closing = MESSAGE_END;
  if (buffer[at + 1] !== LETTER_M) {
    const [name = ''] = buffer.toString('latin1', at + 1, head).split(' ');
    if (name === 'stream:stream' || name.startsWith('/')) return head + 1;
    closing = Buffer.from(`</${name}>`);
  }
  const close = buffer.indexOf(closing, head + 1);
  return close < 0 ? -1 : close + closing.length;
}

/**
 * One Engine.IO session speaking Socket.IO: its sockets, and the packet that is being put together.
 *
 * Guarantees: packets are handled in the order they arrive; a packet the protocol does not allow in
 * the present state ends this connection and nothing else; no handler is called for a socket that
 * is not connected.
 */

import { FREE_STRANGER_BYTES } from '../bounds/realtime.ts';
import { AttachmentCollector } from '../protocol/binary.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import {
  type ConnectPacket,
  decodeSocketPacket,
  encodeConnectError,
  type SocketPacket,
} from '../protocol/socket-packet.ts';
import { parsedBytes } from '../shared/json-bounds.ts';
import { holdWhile } from '../shared/memory-budget.ts';
import type { PacketCount } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { EngineSession } from './engine-session.ts';
import { ConnectRefused, type Handshake } from './socket.ts';
import { createAck } from './socket-ack.ts';
import type { ConnectionHost } from './socket-host.ts';
import { NamespaceSocket, type SocketOwner } from './socket-namespace.ts';

const CONNECT = 0x30; // '0'
/** Characters of a packet whose nodes are not worth counting. */
const SMALL_PACKET = 512;
/** What an attachment takes beside its bytes. */
const ATTACHMENT_BYTES = 300;

/** The Socket.IO side of one session: the sockets of its client, one for each namespace. */
export class SocketConnection implements SocketOwner, PacketCount {
  readonly session: EngineSession<SocketConnection>;
  packets = 0;
  window = 0;
  readonly #host: ConnectionHost<SocketConnection>;
  /** Nearly every connection has one socket, and no map. */
  #only: NamespaceSocket | undefined = undefined;
  #sockets: Map<string, NamespaceSocket> | undefined = undefined;
  #collector: AttachmentCollector | undefined = undefined;
  /** Memory that the packet at hand takes, bytes. */
  #packetBytes = 0;

  constructor(host: ConnectionHost<SocketConnection>, session: EngineSession<SocketConnection>) {
    this.#host = host;
    this.session = session;
  }

  get log(): RealtimeLog {
    return this.#host.log;
  }

  get limits(): SocketOwner['limits'] {
    return this.#host.limits;
  }

  /** Takes the data of one Engine.IO message. */
  message(data: string | Uint8Array): void {
    try {
      const packet = typeof data === 'string' ? this.#text(data) : this.#attachment(data);
      if (packet !== undefined) this.#packet(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.log.debug({ code: error.code }, 'A packet was malformed');
      this.session.abort('parse error');
    }
  }

  /** Takes a packet of Engine.IO itself, which says nothing here. */
  control(): void {
    if (this.#host.packetLimit?.take(this) === 'flood') this.disconnectAll();
  }

  /** Ends all sockets, because the session has ended. */
  end(reason: string): void {
    this.#assembled();
    for (const socket of this.sockets()) socket.end(reason);
  }

  remove(socket: NamespaceSocket): void {
    if (this.#only === socket) this.#only = undefined;
    else if (this.#sockets?.get(socket.namespace) === socket) {
      this.#sockets.delete(socket.namespace);
    }
    if (socket.state !== 'gone') return;
    this.#host.count(-1);
    if (!this.sockets().some(({ connected }) => connected)) this.#host.left(this);
  }

  disconnectAll(): void {
    for (const socket of this.sockets()) socket.disconnectNamespace();
    this.session.close('forced server close');
  }

  #text(data: string): SocketPacket | undefined {
    if (this.#collector !== undefined) {
      throw new ProtocolError('invalid_attachments', 'text while attachments are missing');
    }
    const { identified } = this.session;
    // Whatever else a stranger sends is not worth a look.
    if (!identified && data.charCodeAt(0) !== CONNECT) {
      this.#violation('a packet before CONNECT');
      return undefined;
    }
    const { packetLimits, connectLimits, memory } = this.#host;
    const packet = decodeSocketPacket(data, identified ? packetLimits : connectLimits);
    this.#packetBytes = data.length < SMALL_PACKET ? 4 * SMALL_PACKET : parsedBytes(data);
    if (packet.type !== 'binary') return packet;
    if (this.#find(packet.packet)?.state !== 'connected') {
      this.#violation('a binary packet for a namespace that is not connected');
      return undefined;
    }
    const { maxAttachmentBytes } = this.#host.limits;
    const collector = new AttachmentCollector(packet, { maxBytes: maxAttachmentBytes });
    if (!memory.hold(this.session, this.#packetBytes)) return undefined;
    this.#collector = collector;
    this.#host.assembling(this, true);
    return undefined;
  }

  #attachment(data: Uint8Array): SocketPacket | undefined {
    if (this.#collector === undefined) {
      throw new ProtocolError('invalid_attachments', 'attachment without a packet');
    }
    const packet = this.#collector.add(data);
    const bytes = data.byteLength + ATTACHMENT_BYTES;
    this.#packetBytes += bytes;
    if (packet !== undefined) this.#assembled();
    else this.#host.memory.hold(this.session, bytes);
    return packet;
  }

  /** Notes that no binary packet is being put together any more. */
  #assembled(): void {
    if (this.#collector === undefined) return;
    this.#collector = undefined;
    this.#host.assembling(this, false);
    this.#host.memory.release(this.session, this.#packetBytes);
  }

  #packet(packet: SocketPacket): void {
    const verdict = this.#host.packetLimit?.take(this) ?? 'ok';
    if (verdict === 'flood') {
      this.disconnectAll();
      return;
    }
    const socket = this.#find(packet);
    if (packet.type === 'connect') {
      if (socket !== undefined) this.#violation('a second CONNECT');
      else if (verdict === 'over') this.#violation('a CONNECT after too many packets');
      else this.#connect(packet);
      return;
    }
    if (socket?.state !== 'connected') {
      this.#violation('a packet for a namespace that is not connected');
      return;
    }
    if (packet.type === 'event') this.#event(socket, packet.args, packet.ackId, verdict);
    else if (packet.type === 'ack') socket.acknowledged(packet.ackId, packet.args);
    else if (packet.type === 'disconnect') socket.end('client namespace disconnect');
    else this.#violation(`a ${packet.type} packet`);
  }

  #event(
    socket: NamespaceSocket,
    packetArgs: [string, ...unknown[]],
    ackId: number | undefined,
    verdict: 'ok' | 'over',
  ): void {
    const [event, ...args] = packetArgs;
    const ack = ackId === undefined ? undefined : createAck(socket, ackId);
    try {
      if (verdict === 'over') {
        socket.handler.onEventOverLimit?.(socket, event, ack);
        return;
      }
      const done = socket.handler.onEvent(socket, event, args, ack);
      if (done instanceof Promise) {
        this.#holdFor(done).catch((error: unknown) => this.#failed(error, socket));
      }
    } catch (error) {
      this.#failed(error, socket);
    }
  }

  #connect(packet: ConnectPacket): void {
    const { session } = this;
    const namespace = this.#host.namespace(packet.namespace);
    if (namespace === undefined) {
      this.#refuse(packet.namespace, 'Invalid namespace', this.#host.unknownNamespace);
      return;
    }
    const { facts } = session;
    if (facts === undefined) {
      // Its facts were dropped after the first CONNECT; the client comes back with a new request.
      session.close('transport close');
      return;
    }
    if (this.#count() >= this.#host.limits.maxNamespacesPerSession) {
      this.#violation('too many namespaces');
      return;
    }
    const socket = new NamespaceSocket(this, namespace);
    this.#add(socket);
    const handshake: Handshake = {
      ...facts,
      auth: packet.data ?? {},
      transport: session.polling === undefined ? 'websocket' : 'polling',
    };
    try {
      const data = namespace.handler.onConnect(socket, handshake);
      if (data instanceof Promise) {
        this.#holdFor(data).then(
          (value: unknown) => this.#accept(socket, value),
          (error: unknown) => this.#reject(socket, error),
        );
      } else this.#accept(socket, data);
    } catch (error) {
      this.#reject(socket, error);
    }
  }

  #accept(socket: NamespaceSocket, data: unknown): void {
    if (socket.state !== 'connecting') return; // The client has gone meanwhile.
    this.#host.count(1);
    this.#host.connected(this);
    if (!this.#host.keepsFacts) this.session.facts = undefined;
    try {
      socket.start(data);
      socket.handler.onConnected?.(socket);
    } catch (error) {
      this.#failed(error, socket);
    }
  }

  #reject(socket: NamespaceSocket, error: unknown): void {
    if (socket.state !== 'connecting') return;
    socket.end('refused');
    const refused = error instanceof ConnectRefused ? error : undefined;
    if (refused === undefined) this.#failed(error, socket);
    this.#refuse(socket.namespace, refused?.message ?? 'Internal error', refused?.data);
  }

  #refuse(namespace: string, message: string, data: unknown): void {
    const error = data === undefined ? { message } : { message, data };
    for (const frame of encodeConnectError(namespace, error)) this.session.send(frame);
  }

  /** Counts the memory of the packet at hand until `work` on it has settled. */
  #holdFor<T>(work: Promise<T>): Promise<T> {
    const isNewcomers = !this.session.identified && this.#packetBytes <= FREE_STRANGER_BYTES;
    const bytes = isNewcomers ? 0 : this.#packetBytes;
    return holdWhile(this.#host.memory, this.session, bytes, work);
  }

  /** Closes the connection without a word, as the stock server does. */
  #violation(what: string): void {
    this.log.debug({ what }, 'A client broke the protocol');
    this.session.close('forced server close');
  }

  #failed(error: unknown, socket: NamespaceSocket): void {
    this.log.error({ err: error, namespace: socket.namespace }, 'A namespace handler failed');
  }

  #find(packet: SocketPacket): NamespaceSocket | undefined {
    if (packet.type === 'binary') return undefined;
    if (this.#only?.namespace === packet.namespace) return this.#only;
    return this.#sockets?.get(packet.namespace);
  }

  #add(socket: NamespaceSocket): void {
    if (this.#only === undefined) this.#only = socket;
    else {
      this.#sockets ??= new Map();
      this.#sockets.set(socket.namespace, socket);
    }
  }

  #count(): number {
    return (this.#only === undefined ? 0 : 1) + (this.#sockets?.size ?? 0);
  }

  /** Every socket of this connection. */
  sockets(): readonly NamespaceSocket[] {
    const others = this.#sockets === undefined ? [] : [...this.#sockets.values()];
    return this.#only === undefined ? others : [this.#only, ...others];
  }
}

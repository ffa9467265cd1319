/**
 * Puts a binary packet together: the text with placeholders came first, its attachments follow.
 *
 * Guarantees: placeholders and attachments match one to one, checked before the first attachment
 * is kept; nothing but own properties of the parsed JSON is read or written; the count of
 * attachments is bounded by decoding, their bytes by `maxBytes`; no recursion.
 *
 * Source: Socket.IO protocol, version 5, "Packet encoding", binary attachments.
 */
import { ProtocolError } from './protocol-error.ts';
import type { AckPacket, BinaryPacket, EventPacket } from './socket-packet.ts';

/** Where an attachment belongs: `parent[key]` of the parsed arguments. */
type Slot = { parent: object; key: string | number };

/** One binary packet under way. A session holds at most one. */
export class AttachmentCollector {
  readonly #packet: EventPacket | AckPacket;
  readonly #slots: readonly Slot[];
  readonly #attachments: Uint8Array[] = [];
  readonly #maxBytes: number;
  #bytes = 0;

  /**
   * @param binary a decoded BINARY_EVENT or BINARY_ACK; its arguments now belong to the collector
   * @param limits `maxBytes`: all attachments together
   * @throws ProtocolError `invalid_attachments` when the placeholders are not exactly the numbers
   *   0 to `pending` - 1, each once
   */
  constructor(binary: BinaryPacket, limits: { maxBytes: number } = { maxBytes: Infinity }) {
    this.#packet = binary.packet;
    this.#slots = findSlots(binary.packet.args, binary.pending);
    this.#maxBytes = limits.maxBytes;
  }

  /**
   * Takes the next attachment; the bytes are kept, not copied.
   *
   * @returns the complete packet, or `undefined` while attachments are missing
   * @throws ProtocolError `too_large`; `invalid_attachments` after the packet is complete
   */
  add(bytes: Uint8Array): EventPacket | AckPacket | undefined {
    if (this.#attachments.length >= this.#slots.length) {
      throw new ProtocolError('invalid_attachments', 'attachment without a packet');
    }
    this.#bytes += bytes.byteLength;
    if (this.#bytes > this.#maxBytes) {
      throw new ProtocolError('too_large', 'attachments too large');
    }
    if (this.#attachments.push(bytes) < this.#slots.length) return undefined;
    for (const [i, slot] of this.#slots.entries()) setOwn(slot, this.#attachments[i]);
    return this.#packet;
  }
}

/** The place of each attachment, by its number. Linear in the nodes of `args`, whatever they are. */
function findSlots(args: unknown[], count: number): readonly Slot[] {
  const slots = new Map<number, Slot>();
  const open: object[] = [args];
  const visit = (parent: object, key: string | number, value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (isPlaceholder(value)) keepSlot(slots, { parent, key }, value.num, count);
    else open.push(value);
  };
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    if (Array.isArray(parent)) {
      const items: readonly unknown[] = parent;
      for (let i = 0; i < items.length; i++) visit(parent, i, items[i]);
    } else {
      for (const key of Object.keys(parent)) visit(parent, key, Reflect.get(parent, key));
    }
  }
  if (slots.size !== count) {
    throw new ProtocolError('invalid_attachments', 'attachment without a placeholder');
  }
  return Array.from({ length: count }, (_, num) => slotAt(slots, num));
}

function keepSlot(slots: Map<number, Slot>, slot: Slot, num: unknown, count: number): void {
  if (typeof num !== 'number' || !Number.isInteger(num) || num < 0 || num >= count) {
    throw new ProtocolError('invalid_attachments', 'placeholder number out of range');
  }
  if (slots.has(num)) throw new ProtocolError('invalid_attachments', 'placeholder used twice');
  slots.set(num, slot);
}

function slotAt(slots: ReadonlyMap<number, Slot>, num: number): Slot {
  const slot = slots.get(num);
  if (slot === undefined) {
    throw new ProtocolError('invalid_attachments', 'attachment without a placeholder');
  }
  return slot;
}

function isPlaceholder(value: object): value is { num?: unknown } {
  return (
    Object.hasOwn(value, '_placeholder') && '_placeholder' in value && value._placeholder === true
  );
}

/** Defines rather than assigns: a key named `__proto__` stays data. */
function setOwn({ parent, key }: Slot, value: unknown): void {
  Object.defineProperty(parent, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

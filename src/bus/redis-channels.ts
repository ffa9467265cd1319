/**
 * How the bus names its Redis channels, and how a payload says who sent it. The only place that
 * knows either.
 *
 * A payload on the wire is `<node id>\n<payload>`: Redis hands a publisher's payload back to the
 * publisher's own subscription, and this is how it is recognised.
 *
 * Against a Redis Cluster these names are where sharded pub/sub would come in: SPUBLISH and
 * SSUBSCRIBE in redis-link and redis-sender, a connection for each shard, and a topic's channel
 * needs no hash tag because one channel is one slot. Plain PUBLISH works on a cluster too, but is
 * sent to every shard.
 */

export interface BusChannels {
  /** The channel that payloads for `topic` go through. */
  ofTopic(topic: string): string;
  /** The channel that this node alone hears: it proves the way to Redis and back. */
  readonly probe: string;
  /** The channel that every node hears: "payloads of mine were lost". */
  readonly gap: string;
  /** The channel that every node hears since 0.2: who comes, and who goes in order. */
  readonly nodes: string;
  /** The channel that every node of 0.1 hears, and no later one: they do not hear each other. */
  readonly olderNodes: string;
  /** What a received channel name means. */
  read(channel: Buffer): ReadChannel;
}

export type ReadChannel =
  | { kind: 'topic'; topic: string }
  | { kind: 'probe' }
  | { kind: 'gap' }
  | { kind: 'nodes' }
  | { kind: 'unknown' };

export interface BusFraming {
  /** What stands before every payload this node sends. */
  readonly head: string;
  /** Takes a received payload apart; undefined when it is none of ours. */
  read(bytes: Buffer): { own: boolean; payload: Buffer } | undefined;
}

const PROBE: ReadChannel = { kind: 'probe' };
const GAP: ReadChannel = { kind: 'gap' };
const NODES: ReadChannel = { kind: 'nodes' };
const UNKNOWN: ReadChannel = { kind: 'unknown' };
const TOPIC_MARK = 't'.charCodeAt(0);
const NEWLINE = 0x0a;
const MAX_NODE_ID_BYTES = 64;
const NODE_ID = /^[\x21-\x7e]{1,64}$/;

/**
 * The channels of the deployment that `prefix` names, on the database that `epoch` names, as seen by
 * the node `nodeId`: two deployments with one prefix do not hear each other.
 */
export function createChannels(prefix: string, epoch: string, nodeId: string): BusChannels {
  const head = `${prefix}${epoch}:`;
  const probe = `${head}p:${nodeId}`;
  const gap = `${head}g`;
  const nodes = `${head}n`;
  const markAt = Buffer.byteLength(head);
  return {
    ofTopic: (topic) => `${head}t:${topic}`,
    probe,
    gap,
    nodes,
    olderNodes: `${prefix}g`,
    read(channel) {
      // Only what was subscribed arrives, so the prefix needs no second look.
      if (channel[markAt] === TOPIC_MARK) {
        return { kind: 'topic', topic: channel.toString('utf8', markAt + 2) };
      }
      const name = channel.toString();
      if (name === probe) return PROBE;
      if (name === gap) return GAP;
      return name === nodes ? NODES : UNKNOWN;
    },
  };
}

/**
 * The framing of the node `nodeId`.
 * @throws RangeError when the id is not 1 to 64 printable ASCII characters.
 */
export function createFraming(nodeId: string): BusFraming {
  if (!NODE_ID.test(nodeId))
    throw new RangeError('a node id is 1 to 64 printable ASCII characters');
  const head = `${nodeId}\n`;
  const ownHead = Buffer.from(head, 'latin1');
  return {
    head,
    read(bytes) {
      const own = bytes.length >= ownHead.length && ownHead.compare(bytes, 0, ownHead.length) === 0;
      if (own) return { own, payload: bytes.subarray(ownHead.length) };
      const last = Math.min(bytes.length, MAX_NODE_ID_BYTES + 1);
      for (let at = 1; at < last; at += 1) {
        if (bytes[at] === NEWLINE) return { own, payload: bytes.subarray(at + 1) };
      }
      return undefined;
    },
  };
}

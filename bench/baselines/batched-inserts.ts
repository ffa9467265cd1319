/**
 * Bare batched inserts: what PostgreSQL takes from one process with nothing around it. Per batch one
 * statement (and so one transaction and round trip), two connections, never waiting for a client.
 * No membership, no idempotency keys, no locks but the update's own.
 *
 * Arguments: seconds, of warming up before, batch size, conversation and sender ids as JSON pairs.
 * Prints one JSON line: `written` in the measured time, `stored` in all.
 */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';

const MS = 1000;
const [seconds = '2', warmUp = '1', batchSize = '500', pairsText = '[]'] = process.argv.slice(2);
const pairs: [string, string][] = JSON.parse(pairsText);
const size = Math.min(Number(batchSize), pairs.length >> 1);
const sql = postgres(process.env.DATABASE_URL ?? '', { max: 2, onnotice: () => undefined });
const seqs = new Map<string, number>();

async function writeBatch(chosen: readonly [string, string][]): Promise<number> {
  const ids: string[] = [];
  const conversations: string[] = [];
  const senders: string[] = [];
  const contents: string[] = [];
  const positions: number[] = [];
  for (const [conversation, sender] of chosen) {
    const seq = (seqs.get(conversation) ?? 0) + 1;
    seqs.set(conversation, seq);
    ids.push(randomUUID());
    conversations.push(conversation);
    senders.push(sender);
    contents.push('Hello, when can we meet? Say a time that suits you.');
    positions.push(seq);
  }
  const heads = new Map(conversations.map((id, i) => [id, positions[i] ?? 0]));
  await sql`WITH inserted AS (
      INSERT INTO messaging.messages (id, conversation_id, sender_id, content, seq)
      SELECT * FROM unnest(${ids}::uuid[], ${conversations}::uuid[], ${senders}::uuid[],
        ${contents}::text[], ${positions}::bigint[]))
    UPDATE messaging.conversations c SET last_seq = v.seq, last_message_at = now() AT TIME ZONE 'UTC'
    FROM unnest(${[...heads.keys()]}::uuid[], ${[...heads.values()]}::bigint[]) AS v (id, seq)
    WHERE c.id = v.id`;
  return chosen.length;
}

// Each connection has conversations of its own, so they never wait for each other.
const half = pairs.length >> 1;
async function writeFor(ms: number): Promise<number> {
  const deadline = performance.now() + ms;
  const lane = async (own: readonly [string, string][]): Promise<number> => {
    let written = 0;
    for (let at = 0; performance.now() < deadline; at = (at + size) % own.length) {
      written += await writeBatch(own.slice(at, at + size));
    }
    return written;
  };
  const [a, b] = await Promise.all([lane(pairs.slice(0, half)), lane(pairs.slice(half))]);
  return a + b;
}
const before = await writeFor(Number(warmUp) * MS);
const startedAt = performance.now();
const cpuBefore = process.cpuUsage();
const written = await writeFor(Number(seconds) * MS);
const elapsedMs = performance.now() - startedAt;
const cpu = process.cpuUsage(cpuBefore);
const cpuMs = (cpu.user + cpu.system) / 1000;
process.stdout.write(
  `${JSON.stringify({ written, stored: before + written, elapsedMs, cpuMs })}\n`,
);
await sql.end();

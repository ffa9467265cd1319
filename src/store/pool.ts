/**
 * A bounded number of connections, and who waits for one of them.
 *
 * Guarantees: at most `max` connections, opened when they are needed; at most `maxWaiting` calls in
 * line, served in their order.
 */
import { createDeadlineTimer } from '../shared/deadline-timer.ts';
import { DatabaseUnavailable, type Link } from './link.ts';

export interface Pool {
  /** A connection for one caller; rejects with DatabaseUnavailable when there is none in time. */
  acquire(deadlineMs: number): Promise<Link>;
  release(link: Link): void;
  links(): Iterable<Link>;
  stats(): { connections: number; busy: number; waiting: number };
  /** Opens no more connections; resolves when all are idle, or after `timeoutMs`; refuses callers that still wait. */
  drain(timeoutMs: number): Promise<void>;
}

export interface PoolDeps {
  max: number;
  maxWaiting: number;
  /** Opens a connection; `onGone` is to be called when it is gone. */
  open(onGone: (link: Link) => void): Link;
}

/** A pool that opens connections when they are needed, `max` at most. */
export function createPool({ max, maxWaiting, open }: PoolDeps): Pool {
  const links = new Set<Link>();
  const idle: Link[] = [];
  /** Callers that wait for a connection; called with none, they are refused. */
  const waiting = createDeadlineTimer<(link?: Link) => void>({ onDue: (refuse) => refuse() });
  let closing = false;
  let onQuiet: (() => void) | undefined;

  const busy = (): number => links.size - idle.length;

  function takeFree(): Link | undefined {
    const free = idle.pop();
    if (free !== undefined) return free;
    if (links.size >= max || closing) return undefined;
    const link = open(forget);
    links.add(link);
    return link;
  }

  function forget(link: Link): void {
    links.delete(link);
    const at = idle.indexOf(link);
    if (at >= 0) idle.splice(at, 1);
    // Its place is free: whoever waits may connect.
    serveNext();
  }

  function serveNext(): void {
    for (const give of waiting.items()) {
      const link = takeFree();
      if (link === undefined) return;
      waiting.delete(give);
      give(link);
    }
  }

  return {
    acquire: (deadlineMs) => {
      if (closing) return Promise.reject(new DatabaseUnavailable('crowded'));
      const free = waiting.size === 0 ? takeFree() : undefined;
      if (free !== undefined) return Promise.resolve(free);
      if (waiting.size >= maxWaiting) return Promise.reject(new DatabaseUnavailable('crowded'));
      return new Promise((resolve, reject) => {
        const give = (link?: Link): void => {
          if (link === undefined) reject(new DatabaseUnavailable('crowded'));
          else resolve(link);
        };
        waiting.set(give, performance.now() + deadlineMs);
      });
    },
    release: (link) => {
      if (!link.isGone()) idle.push(link);
      serveNext();
      if (busy() === 0 && waiting.size === 0) onQuiet?.();
    },
    links: () => links,
    stats: () => ({ connections: links.size, busy: busy(), waiting: waiting.size }),
    drain: async (timeoutMs) => {
      closing = true;
      if (busy() > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          onQuiet = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      for (const refuse of waiting.items()) refuse();
      waiting.clear();
    },
  };
}

/**
 * The catalogue of why connections end: types, the label of the metric and the table for operators
 * (docs/operations.md, held to this by a test) derive from it. What the layers above want ended for
 * reasons of their own is `forced server close` here.
 */

/** Whose doing an end is: to be looked for there first. */
type Fault = 'nobody' | 'client' | 'network' | 'server' | 'operator';

interface CloseFacts {
  fault: Fault;
  /** Whether the stock client connects again by itself. */
  comesBack: boolean;
  /** A sentence for whoever looks at the metric. */
  means: string;
}

/** Reason → what it means; the reasons are the stock server's words where it has any. */
export const closeReasons = {
  'transport close': {
    fault: 'nobody',
    comesBack: true,
    means: 'The client has gone, or its network has.',
  },
  'transport error': {
    fault: 'client',
    comesBack: true,
    means:
      'A polling client has sent two requests at once, broken one off, or sent a POST that was refused (too large, too slow, binary); or any client a ping, which only servers send.',
  },
  'ping timeout': {
    fault: 'network',
    comesBack: true,
    means: 'The client has not answered a ping in time.',
  },
  'connect timeout': {
    fault: 'client',
    comesBack: true,
    means: 'Nobody was let in on the connection within CONNECT_TIMEOUT_MS.',
  },
  'slow reader': {
    fault: 'client',
    comesBack: true,
    means: 'More than MAX_BACKPRESSURE_BYTES waited for the client.',
  },
  'parse error': {
    fault: 'client',
    comesBack: true,
    means: 'The client has sent what is no packet, or one that is too large.',
  },
  'token expired': {
    fault: 'client',
    comesBack: true,
    means:
      'The token has come to its `exp`. A client with a new one is let in again, one with the old one hears `token_expired`.',
  },
  'forced server close': {
    fault: 'client',
    comesBack: false,
    means:
      'A service has ended the connections of the person, or the client has sent ten times RATE_LIMIT_EVENTS. One that broke the protocol is cut off without a word, and comes back.',
  },
  'server shutting down': {
    fault: 'operator',
    comesBack: true,
    means: 'The process is going down; the client finds another one.',
  },
  'server error': {
    fault: 'server',
    comesBack: true,
    means: 'A handler has failed: the log says how.',
  },
  'not admitted': {
    fault: 'client',
    comesBack: true,
    means:
      'Without identity the client has sent more than it may, or it has shown too many bad tokens.',
  },
  displaced: {
    fault: 'operator',
    comesBack: true,
    means: 'Too many connections were without identity: the oldest one made room.',
  },
  memory: {
    fault: 'operator',
    comesBack: true,
    means: 'MAX_HELD_BYTES were spent.',
  },
} as const satisfies Record<string, CloseFacts>;

export type CloseReason = keyof typeof closeReasons;

/** The reason as the metric's label says it: `slow reader` → `slow_reader`. */
export function closeLabel(reason: string): string {
  return Object.hasOwn(closeReasons, reason) ? reason.replaceAll(' ', '_') : 'other';
}

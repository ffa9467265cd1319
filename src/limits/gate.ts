/**
 * Who may open a connection: so many per address and window, fewer for an address whose handshakes
 * keep failing. Counted on this node, because it must be decided before anything is waited for.
 */
import type { ClientAddress } from './client-address.ts';
import { createFixedWindow } from './fixed-window.ts';

export interface GateOptions {
  windowMs: number;
  /** Connections one address may open in a window. */
  maxConnections: number;
  /** Handshakes of one address that may fail in a window; then it waits for the next. */
  maxFailures: number;
  clientAddress: ClientAddress;
  /** Told of every connection that is turned away. */
  refused?: () => void;
}

/** What the gate needs of a request: the peer, and what a proxy says of it. */
export interface GateFacts {
  readonly address: string;
  readonly headers: ReadonlyMap<string, string>;
}

export function createGate(options: GateOptions) {
  const { windowMs, maxConnections, maxFailures, clientAddress } = options;
  const connections = createFixedWindow(maxConnections, windowMs);
  const failures = createFixedWindow(maxFailures, windowMs);
  const addressOf = ({ address, headers }: GateFacts): string =>
    clientAddress(address, headers.get('x-forwarded-for'));

  return {
    /** Counts a connection; whether it may come in. */
    admits(facts: GateFacts): boolean {
      const address = addressOf(facts);
      const admitted = connections.take(address) && !failures.isSpent(address);
      if (!admitted) options.refused?.();
      return admitted;
    },
    /** A handshake was refused for who it was. */
    failed(facts: GateFacts): void {
      failures.take(addressOf(facts));
    },
  };
}

export type Gate = ReturnType<typeof createGate>;

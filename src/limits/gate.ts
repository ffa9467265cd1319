/**
 * What is counted by address, on this node, because it must be decided before anything is waited for:
 * connections, attempts to prove who one is, and requests for sessions that nobody has.
 */
import type { AddressFacts } from '../shared/address-facts.ts';
import { createAttempts } from './attempts.ts';
import type { ClientAddress } from './client-address.ts';
import { createFixedWindow } from './fixed-window.ts';

export interface GateDeps {
  windowMs: number;
  /** Connections one address may open in a window. */
  maxConnections: number;
  /** Attempts of one address to prove who it is that may fail in a window; then it waits for the next. */
  maxFailures: number;
  /** Requests of one address in a window for sessions that do not exist. */
  maxStrays: number;
  clientAddress: ClientAddress;
  /** Called for everything that is turned away. */
  refused: (kind: 'connections' | 'identities' | 'strays') => void;
}

/** The gate that every door of this process asks. */
export function createGate(deps: GateDeps) {
  const { windowMs, maxFailures, clientAddress, refused } = deps;
  const connections = createFixedWindow(deps.maxConnections, windowMs);
  const strays = createFixedWindow(deps.maxStrays, windowMs);
  const attempts = createAttempts({ windowMs, maxFailures, refused: () => refused('identities') });

  return {
    addressOf: clientAddress,
    guard: attempts.guard,
    /** Counts a connection; whether it may come in. */
    admits(facts: AddressFacts): boolean {
      const address = clientAddress(facts);
      const admitted = connections.take(address) && !attempts.isSpent(address);
      if (!admitted) refused('connections');
      return admitted;
    },
    /** Whether a request for a session that is not here may be looked at. */
    admitsStray(facts: AddressFacts): boolean {
      const admitted = strays.left(clientAddress(facts)) > 0;
      if (!admitted) refused('strays');
      return admitted;
    },
    /** Counts a request for a session that nobody has. */
    strayed(facts: AddressFacts): void {
      strays.take(clientAddress(facts));
    },
  };
}

export type Gate = ReturnType<typeof createGate>;

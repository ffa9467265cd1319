/**
 * Who may come in: so many connections per address and window, and nothing for an address whose
 * callers keep failing to prove who they are, whichever door they try. Counted on this node, because
 * it must be decided before anything is waited for.
 */
import { ChatError } from '../chat/errors.ts';
import type { AddressFacts, ClientAddress } from './client-address.ts';
import { createFixedWindow } from './fixed-window.ts';

export interface GateOptions {
  windowMs: number;
  /** Connections one address may open in a window. */
  maxConnections: number;
  /** Handshakes and REST calls of one address that may fail in a window; then it waits for the next. */
  maxFailures: number;
  clientAddress: ClientAddress;
  /** Told of every connection that is turned away. */
  refused?: () => void;
  /** Told of every REST call that is turned away. */
  callRefused?: () => void;
}

const TOO_MANY_FAILURES = 'Too many calls of this address have failed to prove who they are.';

export function createGate(options: GateOptions) {
  const { windowMs, maxConnections, maxFailures, clientAddress } = options;
  const connections = createFixedWindow(maxConnections, windowMs);
  const failures = createFixedWindow(maxFailures, windowMs);

  return {
    /** Counts a connection; whether it may come in. */
    admits(facts: AddressFacts): boolean {
      const address = clientAddress(facts);
      const admitted = connections.take(address) && !failures.isSpent(address);
      if (!admitted) options.refused?.();
      return admitted;
    },
    /**
     * Lets one call prove who it is, and counts it when it can not.
     *
     * @throws ChatError rate_limited when too many calls of this address could not; else what `prove`
     *   throws
     */
    async guard<T>(facts: AddressFacts, prove: () => Promise<T>): Promise<T> {
      // Now: a peer that hangs up meanwhile has no address any more.
      const address = clientAddress(facts);
      if (failures.isSpent(address)) {
        options.callRefused?.();
        const seconds = failures.retryAfterSeconds();
        throw new ChatError('rate_limited', TOO_MANY_FAILURES, undefined, seconds);
      }
      try {
        return await prove();
      } catch (error) {
        if (error instanceof ChatError && error.status === 401) failures.take(address);
        throw error;
      }
    },
    /** A handshake was refused for who it was. */
    failed(facts: AddressFacts): void {
      failures.take(clientAddress(facts));
    },
  };
}

export type Gate = ReturnType<typeof createGate>;

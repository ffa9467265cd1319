/**
 * Where callers prove who they are, for every door: REST calls, the CONNECT of a socket, and
 * `refresh_token` on it. No door has the authenticator itself, so that no attempt goes uncounted.
 */
import type { Actor } from '../chat/ports.ts';
import type { AddressFacts } from '../shared/address-facts.ts';
import type { Authenticator, Credentials } from './authenticator.ts';

/** Counts attempts to prove who one is, by address. */
export interface AttemptGate {
  addressOf(facts: AddressFacts): string;
  /** @throws ChatError rate_limited; else what `prove` throws */
  guard<T>(address: string, prove: () => Promise<T>): Promise<T>;
}

export interface Doorkeeper {
  /** The address attempts are counted for; to be asked at once, since a client that hangs up has none. */
  addressOf(facts: AddressFacts): string;
  /**
   * Finds out who calls, and counts it where that fails.
   *
   * @param address what `addressOf` said
   * @throws ChatError unauthenticated, token_expired, unavailable (the keys cannot be fetched),
   *   rate_limited (too many attempts of this address have failed)
   */
  identify(address: string, credentials: Credentials): Promise<Actor>;
}

/** @param gate null: attempts are not counted */
export function createDoorkeeper(
  authenticator: Pick<Authenticator, 'authenticate'>,
  gate: AttemptGate | null,
): Doorkeeper {
  if (gate === null) {
    return { addressOf: () => '', identify: (_, given) => authenticator.authenticate(given) };
  }
  return {
    addressOf: gate.addressOf,
    identify: (address, given) => gate.guard(address, () => authenticator.authenticate(given)),
  };
}

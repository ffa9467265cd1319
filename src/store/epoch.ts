/**
 * Which database this process talks to. Every new connection, and a periodic check, tells the epoch of
 * its server (sql/0010_epoch.sql); whoever keeps positions that only that database can vouch for
 * listens for the change.
 */
export interface Epochs {
  /** The epoch that was heard last; empty before the first connection. */
  current(): string;
  /** Takes what a server says; tells the listeners, in the order in which they came, where it is new. */
  heard(epoch: string): void;
  /** Adds a listener that is told of every new epoch but the first. */
  onChange(listener: (epoch: string, before: string) => void): void;
}

/** The epoch of a database that is being restored: connections to the one before are of no use, nor to it yet. */
export const INCOMPLETE = 'incomplete';

/** What this process knows of epochs: nothing at first. @param log told of every change */
export function createEpochs(log?: { warn(fields: object, message: string): void }): Epochs {
  const listeners: ((epoch: string, before: string) => void)[] = [];
  let current = '';
  return {
    current: () => current,
    heard(epoch) {
      const before = current;
      if (epoch === before) return;
      current = epoch;
      if (before === '') return;
      log?.warn({ epoch, before }, 'PostgreSQL is another database than before, or was restored');
      for (const listener of listeners) listener(epoch, before);
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

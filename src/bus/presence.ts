/**
 * Whether another node has vanished: Redis counts who hears the nodes' channel, and who comes and goes in order
 * says so there. A node that is killed says nothing, and what it had stored just before it may not have told.
 *
 * Guarantees: `onVanished` is called within two counts of the loss, also when another node has come meanwhile;
 * what is only on its way when it is counted does not look like a loss. In doubt (a word that comes very late,
 * somebody else who listened) it is called: that costs a comparison, and a loss that is not seen a message.
 */

export interface Presence {
  /** To be called when a node says that it has come, or that it goes. */
  said(word: string): void;
  /** To be called when Redis has counted the nodes. */
  counted(count: number): void;
  /** To be called when the link is lost: who comes and goes is not heard any more. */
  forget(): void;
}

/** What a node says when it comes, and when it goes in order. */
export const CAME = 'came';
export const LEFT = 'left';

/** Counts until it is known who is there: of some nodes that they have come is still on its way. */
const FIRST_COUNTS = 3;

/** The nodes as one of them sees them; unknown until they are counted. */
export function createPresence(onVanished: () => void): Presence {
  let counts = 0;
  let expected = 0;
  /** Whether as they were counted last there were fewer (-1) or more (1) than expected. */
  let differed = 0;

  return {
    said(word) {
      if (word === LEFT) expected -= 1;
      else if (word === CAME) expected += 1;
    },
    counted(count) {
      counts += 1;
      if (counts <= FIRST_COUNTS) expected = count;
      const differs = Math.sign(count - expected);
      // Once proves nothing: what is counted now is said a moment later, or was said a moment ago.
      if (differs === 0 || differs !== differed) {
        differed = differs;
        return;
      }
      if (differs < 0) onVanished();
      expected = count;
      differed = 0;
    },
    forget() {
      counts = 0;
      differed = 0;
    },
  };
}

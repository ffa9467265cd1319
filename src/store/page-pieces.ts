/**
 * Pages of long messages, read in pieces: 200 messages of 4 000 characters are megabytes, and taking
 * them apart would hold up everything else this process does. How long the messages of a conversation
 * are is learnt from what was read of it last, so ordinary ones are asked for once, as they were.
 */
import { LRUCache } from 'lru-cache';
import { MAX_REMEMBERED_LENGTHS, MAX_UNKNOWN_CHARACTERS } from '../bounds/store.ts';
import type { HistoryOutcome, HistoryRequest } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';

export interface PieceLimits {
  /** About as many characters as one query should bring: some milliseconds of this process. */
  maxPieceCharacters: number;
  /** A page ends when it has so many, however few messages that are. */
  maxPageCharacters: number;
  /** The longest message there can be, for a conversation of which nothing was read yet. */
  maxContentLength: number;
}

/** A piece of a page; `alone`: it is not to share its query with others' pages. */
export type AskForPiece = (request: HistoryRequest, alone: boolean) => Promise<HistoryOutcome>;

/** A piece may have so many times the messages of the one before. */
const GROWTH = 4;

/** Returns the function that reads pages by `ask`ing for as many pieces as they need. */
export function inPieces(
  ask: AskForPiece,
  { maxPieceCharacters, maxPageCharacters, maxContentLength }: PieceLimits,
): (request: HistoryRequest) => Promise<HistoryOutcome> {
  /** Characters of a message, on average, by conversation. */
  const averages = new LRUCache<string, number>({ max: MAX_REMEMBERED_LENGTHS });
  const unknownRows = Math.max(1, Math.floor(MAX_UNKNOWN_CHARACTERS / maxContentLength));

  function fittingRows(conversationId: CanonicalId): number {
    const average = averages.get(conversationId);
    if (average === undefined) return unknownRows;
    return Math.max(1, Math.floor(maxPieceCharacters / average));
  }

  function learn(conversationId: CanonicalId, messages: readonly Message[]): number {
    let characters = 0;
    for (const { content } of messages) characters += content.length;
    if (messages.length > 0) {
      averages.set(conversationId, Math.max(1, characters / messages.length));
    }
    return characters;
  }

  return async (request) => {
    const { conversationId, limit } = request;
    let rows = Math.min(limit, fittingRows(conversationId));
    const page = await ask({ ...request, limit: rows }, rows < limit);
    if (page.outcome !== 'page') return page;
    let messages = page.messages;
    let characters = learn(conversationId, messages);
    let full = messages.length === rows;
    while (full && messages.length < limit && characters < maxPageCharacters) {
      rows = Math.min(limit - messages.length, fittingRows(conversationId), rows * GROWTH);
      const place = placeAfter(request.place, messages);
      const piece = await ask({ ...request, limit: rows, place }, true);
      // Removed in between: what was read before is not theirs to see any more.
      if (piece.outcome !== 'page') return piece;
      characters += learn(conversationId, piece.messages);
      full = piece.messages.length === rows;
      messages = isUpwards(place)
        ? messages.concat(piece.messages)
        : piece.messages.concat(messages);
    }
    return { ...page, messages };
  };
}

/** Whether a page goes up from a lower edge, also towards an upper one; else it goes down. */
export const isUpwards = (place: HistoryRequest['place']): boolean => 'afterSeq' in place;

/** Where a page goes on of which `messages`, at least one, have been read. */
function placeAfter(
  place: HistoryRequest['place'],
  messages: readonly Message[],
): HistoryRequest['place'] {
  if (isUpwards(place)) return { ...place, afterSeq: messages.at(-1)?.seq ?? 0 };
  return { beforeSeq: messages[0]?.seq ?? 0 };
}

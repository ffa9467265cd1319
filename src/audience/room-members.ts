/**
 * Who hears one room, and which version of the conversation's member list that is known to agree with.
 * A change of the list is heard from the bus, or shown by a version that travels with a message; in
 * the second case PostgreSQL is asked who of the people here still takes part.
 */
import { MAX_REMEMBERED_DEPARTURES } from '../bounds/audience.ts';
import type { Store } from '../chat/ports.ts';
import type { Socket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { MultiMap } from '../shared/multi-map.ts';
import type { Member } from './member.ts';

export interface RoomMembersDeps {
  store: Pick<Store, 'readMembers'>;
  conversationId: CanonicalId;
  topic: string;
  /** An evicted socket has left the room; `missed` when nobody else tells it why. */
  evicted(member: Member, missed: boolean): void;
}

/** The members of one room; made with it. */
export class RoomMembers {
  readonly #bySocket = new Map<Socket, Member>();
  /** The same by person: each typing event asks for one person's, however large the room is. */
  readonly #byUser = new MultiMap<CanonicalId, Member>();
  /** The version of the conversation's member list that the members agree with. */
  version = 0;
  /** A version that is said to exist; 0: no newer one is. */
  #wanted = 0;
  /** The last change of each person that was told since the room opened. */
  readonly #told = new Map<string, number>();
  #beganAt = 0;
  readonly #deps: RoomMembersDeps;

  constructor(deps: RoomMembersDeps) {
    this.#deps = deps;
  }

  /** All that are in the room. */
  get bySocket(): ReadonlyMap<Socket, Member> {
    return this.#bySocket;
  }

  /** Those of one person, as they are now. */
  of(userId: CanonicalId): readonly Member[] {
    return this.#byUser.get(userId);
  }

  /** The socket comes in; it is not in the room. */
  add(member: Member): void {
    this.#bySocket.set(member.socket, member);
    this.#byUser.add(member.userId, member);
  }

  /** Whether the list is said to have changed since `version`. */
  get areOutdated(): boolean {
    return this.#wanted > this.version;
  }

  /** The list is said to have this version now. */
  notice(version: number): void {
    if (version > this.#wanted) this.#wanted = version;
  }

  /** The room opens, perhaps anew: nothing is told of changes up to `version`. */
  begin(version: number): void {
    this.version = version;
    this.#beganAt = version;
    this.#told.clear();
  }

  /** Whether a change is to be told: once, and not after a later one of the same person. */
  isNews(userId: CanonicalId, version: number): boolean {
    if (version <= (this.#told.get(userId) ?? this.#beganAt)) return false;
    // More people than a conversation can have came and went: what they were told is long known.
    if (this.#told.size >= MAX_REMEMBERED_DEPARTURES) this.begin(this.version);
    this.#told.set(userId, version);
    return true;
  }

  /** One change of the list, which has `version` after it; `inOrder` when nothing was missed. */
  change(
    action: 'added' | 'removed',
    userId: CanonicalId,
    version: number,
    inOrder: boolean,
  ): void {
    if (action === 'removed') {
      for (const member of this.of(userId)) if (member.asOf < version) this.#evict(member, false);
    }
    if (inOrder && version === this.version + 1) this.version = version;
    else this.notice(version);
  }

  /** The socket leaves, by its own wish or because it is no participant any more. */
  remove(member: Member): void {
    if (this.#bySocket.get(member.socket) !== member) return;
    this.#bySocket.delete(member.socket);
    this.#byUser.delete(member.userId, member);
    member.gone = true;
    member.socket.leave(this.#deps.topic);
  }

  /**
   * Asks PostgreSQL who of the people here still takes part, and evicts the others.
   *
   * @returns the version that PostgreSQL spoke of
   */
  async recheck(): Promise<number> {
    const userIds = new Set<CanonicalId>();
    for (const member of this.#bySocket.values()) userIds.add(member.userId);
    const known = this.version;
    const wanted = this.#wanted;
    const now = await this.#deps.store.readMembers(this.#deps.conversationId, [...userIds]);
    // Less than was known: the conversation is deleted, or PostgreSQL has gone back.
    const back = now.membersVersion < known;
    // What was heard meanwhile may be newer than the answer.
    const meanwhile = this.version > known ? this.version : 0;
    this.version = Math.max(meanwhile, now.membersVersion);
    if (this.#wanted === wanted) this.#wanted = 0;
    for (const member of [...this.#bySocket.values()]) {
      // Whoever came after the question was asked has been checked by its own join.
      const asked = userIds.has(member.userId) && (back || member.asOf <= now.membersVersion);
      if (!asked) continue;
      if (!now.members.has(member.userId)) this.#evict(member, true);
      else if (back) member.asOf = now.membersVersion;
    }
    return now.membersVersion;
  }

  #evict(member: Member, missed: boolean): void {
    this.remove(member);
    member.evicted = true;
    this.#deps.evicted(member, missed);
  }
}

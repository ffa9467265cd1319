/** The calls of the REST door the page makes, each with a deadline; a refusal is thrown as it is told. */
import type {
  Conversation,
  ConversationSummary,
  HistoryPage,
  Message,
  Person,
} from 'messaging-service/events';

const DEADLINE_MS = 10_000;

/** What the service said no with; `code` is `unreachable` when it said nothing. */
class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Who this client is; the token only where the service wants one. */
export interface Identity {
  userId: string;
  name: string | null;
  token: string | null;
}

export interface PageSettings {
  auth_mode: 'jwt' | 'insecure';
  max_content_length: number;
  can_create_people: boolean;
  people: Person[];
}

interface Answer<T> {
  success: boolean;
  data: T;
  next_cursor?: string | null;
  error?: { code: string; message: string };
}

async function call<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  let answer: Answer<T>;
  try {
    const response = await fetch(path, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) });
    answer = await response.json();
  } catch {
    throw new Refusal('unreachable', 'The service does not answer.');
  }
  if (answer.success) return answer;
  throw new Refusal(answer.error?.code ?? 'internal', answer.error?.message ?? 'It did not work.');
}

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export const readSettings = async (): Promise<PageSettings> =>
  (await call<PageSettings>('/demo/settings')).data;

export const createPerson = async (name: string): Promise<Person> =>
  (await call<Person>('/demo/people', json({ name }))).data;

/** @param identity asked at every call: the token may have been replaced */
export function createRest(identity: () => Identity) {
  function as(init: RequestInit = {}): RequestInit {
    const { token, userId } = identity();
    const who: Record<string, string> =
      token === null ? { 'x-user-id': userId } : { authorization: `Bearer ${token}` };
    return { ...init, headers: { ...init.headers, ...who } };
  }

  return {
    /** One page of the conversations, latest first. */
    async conversations(cursor: string | null) {
      const query = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `/messages/conversations/${identity().userId}?limit=200${query}`;
      const answer = await call<ConversationSummary[]>(path, as());
      return { conversations: answer.data, next: answer.next_cursor ?? null };
    },

    /** The `limit` messages before a position, in chronological order. */
    async before(conversationId: string, seq: number, limit: number): Promise<Message[]> {
      const path = `/messages/${conversationId}?limit=${limit}&before_seq=${seq}`;
      return (await call<HistoryPage>(path, as())).data.messages;
    },

    async create(participantIds: string[]): Promise<Conversation> {
      const body = json({ participant_ids: participantIds });
      return (await call<Conversation>('/messages', as(body))).data;
    },
  };
}

export type Rest = ReturnType<typeof createRest>;

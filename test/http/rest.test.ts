/** CONTRACT section 4, row by row, on both doors. */
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  createConversation,
  createMatch,
  createPerson,
  type TestPerson,
} from '../support/people.ts';
import { doorKinds, openRestDoor, type RestDoor } from '../support/rest-doors.ts';

interface Answer {
  status: number;
  headers: Headers;
  body: {
    success: boolean;
    data: Record<string, unknown> & { messages: Record<string, unknown>[] };
    next_cursor: string | null;
    error: { code: string; message: string; details?: Record<string, string> };
  };
}

let db: TestDatabase;
let alice: TestPerson;
let bob: TestPerson;
let carol: TestPerson;

beforeAll(async () => {
  db = await createTestDatabase();
  alice = await createPerson(db.sql, 'Alice');
  bob = await createPerson(db.sql, 'Bob');
  carol = await createPerson(db.sql, 'Carol');
});
afterAll(() => db.drop());

describe.each(doorKinds)('REST on %s', (kind) => {
  let door: RestDoor;
  let conversationId: string;

  beforeAll(async () => {
    door = await openRestDoor(kind, { databaseUrl: db.url });
  });
  afterAll(() => door.close());
  beforeEach(async () => {
    conversationId = await createConversation(db.sql, [alice, bob]);
    door.announced.length = 0;
  });

  /** A call by `caller` (undefined: a service). A body that is a string goes out as it is. */
  async function call(
    method: string,
    path: string,
    caller?: { id: string },
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(door.url + path, {
      method,
      headers: {
        ...(caller === undefined ? {} : { 'x-user-id': caller.id }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  }

  const send = (caller: { id: string } | undefined, body: object, id = conversationId) =>
    call('POST', `/messages/${id}`, caller, body);

  function refused(answer: Answer, status: number, code: string): void {
    expect(answer.body).toMatchObject({ success: false, error: { code } });
    expect(answer.status).toBe(status);
    expect(Object.keys(answer.body)).toEqual(['success', 'error']);
    expect(JSON.stringify(answer.body)).not.toMatch(/\bat \S+:\d+|node_modules|SELECT|INSERT/);
  }

  describe('POST /messages/:conversationId', () => {
    it('answers 201 with the stored message', async () => {
      const answer = await send(alice, { content: 'Hello, when can we meet?' });
      expect(answer.status).toBe(201);
      expect(answer.body).toEqual({
        success: true,
        data: {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          conversation_id: conversationId,
          seq: 1,
          sender_id: alice.id,
          sender_name: 'Alice',
          content: 'Hello, when can we meet?',
          message_type: 'text',
          media_url: null,
          client_message_id: null,
          status: 'sent',
          created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        },
      });
      const [row] = await db.sql`
        SELECT content, seq::int FROM messaging.messages WHERE id = ${String(answer.body.data.id)}`;
      expect(row).toEqual({ content: 'Hello, when can we meet?', seq: 1 });
      expect(door.announced.map(({ event }) => event)).toEqual(['messageStored']);
    });

    it('answers 200 with duplicate:true for a repeated client_message_id, stored once', async () => {
      const body = { content: 'once', client_message_id: 'key-1' };
      const first = await send(alice, body);
      const again = await send(alice, body);
      expect([first.status, again.status]).toEqual([201, 200]);
      expect(again.body.data).toEqual({ ...first.body.data, duplicate: true });
      const rows = await db.sql`
        SELECT 1 FROM messaging.messages WHERE conversation_id = ${conversationId}`;
      expect(rows.length).toBe(1);
      expect(door.announced.length).toBe(1);
    });

    it('409 idempotency_conflict for the same key with another body', async () => {
      await send(alice, { content: 'one', client_message_id: 'key-2' });
      refused(
        await send(alice, { content: 'two', client_message_id: 'key-2' }),
        409,
        'idempotency_conflict',
      );
    });

    it('takes image and location messages, and refuses them malformed', async () => {
      const media_url = 'https://example.com/cat.png';
      const image = await send(alice, { content: 'my cat', message_type: 'image', media_url });
      expect(image.body.data).toMatchObject({ message_type: 'image', media_url });
      const location = await send(alice, { content: '52.5,13.4', message_type: 'location' });
      expect(location.body.data).toMatchObject({ message_type: 'location', content: '52.5,13.4' });
      for (const body of [
        { content: 'x', message_type: 'image' },
        { content: 'x', message_type: 'image', media_url: 'javascript:alert(1)' },
        { content: 'here', message_type: 'location' },
        { content: '91,0', message_type: 'location' },
        { content: 'x', message_type: 'video' },
      ]) {
        refused(await send(alice, body), 400, 'invalid_request');
      }
    });

    it('strips markup and keeps text that only looks like it', async () => {
      const stripped = await send(alice, {
        content: 'a <b>bold</b><script>alert(1)</script> move',
      });
      expect(stripped.body.data.content).toBe('a bold move');
      const kept = await send(alice, { content: '2 < 3 && x > y, <3, List<String>' });
      expect(kept.body.data.content).toBe('2 < 3 && x > y, <3, List<String>');
    });

    it.each([
      ['no body', undefined],
      ['bad JSON', '{"content":'],
      ['JSON of many values', `{"content":"x","more":[${'{},'.repeat(10_000)}{}]}`],
      ['deep JSON', `{"content":"x","more":${'['.repeat(65)}${']'.repeat(65)}}`],
      ['an array', []],
      ['no content', {}],
      ['empty content', { content: '' }],
      ['content of another type', { content: 5 }],
      ['too long a content', { content: 'x'.repeat(4_001) }],
      ['NUL', { content: 'a\u0000b' }],
      ['a lone surrogate', { content: 'a\ud800b' }],
      ['an empty client_message_id', { content: 'x', client_message_id: '' }],
      ['too long a client_message_id', { content: 'x', client_message_id: 'k'.repeat(65) }],
      ['NUL in client_message_id', { content: 'x', client_message_id: 'a\u0000' }],
      ['a bad sender_id', { content: 'x', sender_id: 'me' }],
    ])('400 invalid_request for %s, and nothing is stored', async (_what, body) => {
      refused(
        await call('POST', `/messages/${conversationId}`, alice, body),
        400,
        'invalid_request',
      );
      const rows = await db.sql`
        SELECT 1 FROM messaging.messages WHERE conversation_id = ${conversationId}`;
      expect(rows.length).toBe(0);
    });

    it('413 for a body over the limit, 415 for one that is not JSON', async () => {
      refused(await send(alice, { content: 'x'.repeat(110_000) }), 413, 'payload_too_large');
      const text = await call('POST', `/messages/${conversationId}`, alice, 'hi', {
        'content-type': 'text/plain',
      });
      refused(text, 415, 'unsupported_media_type');
    });

    it.each([
      'application/json; charset=utf-8',
      'Application/JSON;Charset="UTF-8"',
      'application/json ; charset=utf8',
      'application/json; profile="x"; charset=utf-8',
    ])('takes %s', async (type) => {
      const content = 'aéक😀';
      const body = JSON.stringify({ content });
      const path = `/messages/${conversationId}`;
      const answer = await call('POST', path, alice, body, { 'content-type': type });
      expect([answer.status, answer.body.data.content]).toEqual([201, content]);
    });

    it.each(['iso-8859-1', '"utf-16"', 'utf-8; charset=latin1', 'utf-8x', ''])(
      '415 unsupported_media_type for charset=%s',
      async (charset) => {
        const headers = { 'content-type': `application/json; charset=${charset}` };
        const path = `/messages/${conversationId}`;
        const answer = await call('POST', path, alice, '{"content":"x"}', headers);
        refused(answer, 415, 'unsupported_media_type');
      },
    );

    it.each([
      ['Latin-1', Buffer.from('{"content":"caf\u00e9"}', 'latin1')],
      ['a lone surrogate in UTF-8', Buffer.from('7b22636f6e74656e74223a22eda080227d', 'hex')],
      ['half a character', Buffer.from('{"content":"é"}').subarray(0, 13)],
      ['UTF-16', Buffer.from('\ufeff{"content":"x"}', 'utf16le')],
    ])('400 invalid_request for %s, and nothing is stored', async (_what, body) => {
      const response = await fetch(`${door.url}/messages/${conversationId}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-user-id': alice.id },
        body,
      });
      expect([response.status, await response.json()]).toEqual([
        400,
        {
          success: false,
          error: { code: 'invalid_request', message: 'The body is not valid UTF-8.' },
        },
      ]);
    });

    it('ignores fields that are not the sender’s to set', async () => {
      const answer = await send(alice, {
        content: 'x',
        id: randomUUID(),
        seq: 99,
        status: 'read',
        created_at: '2001-01-01T00:00:00.000Z',
        role: 'service',
      });
      expect(answer.body.data).toMatchObject({ seq: 1, status: 'sent' });
    });
  });

  describe('a refusal says what would be right', () => {
    it.each([
      ['/messages/conversations/x', undefined, 'userId must be a UUID.'],
      ['/messages/:id?limit=0', undefined, 'limit must be a whole number from 1 to 200.'],
      ['/messages/:id', '{"content":', 'The body is not valid JSON.'],
      ['/messages/:id', {}, 'content is required.'],
      ['/messages/:id', '', 'content is required.'],
      ['/messages/:id', 'null', 'body must be an object.'],
      [
        '/messages/:id',
        { content: 'x', message_type: 'video' },
        'message_type must be one of text, image, location.',
      ],
    ])('%s with %j: %s%s', async (path, sent, message) => {
      const method = sent === undefined ? 'GET' : 'POST';
      const answer = await call(method, path.replace(':id', conversationId), alice, sent);
      refused(answer, 400, 'invalid_request');
      expect(answer.body.error.message).toBe(message);
    });
  });

  describe('the spelling of what is sent', () => {
    it('camelCase is taken in bodies and queries', async () => {
      const sent = await send(alice, { content: 'x', clientMessageId: 'k', senderId: alice.id });
      expect(sent.body.data).toMatchObject({ client_message_id: 'k', sender_id: alice.id });
      const page = await call('GET', `/messages/${conversationId}?afterSeq=1`, alice);
      expect(page.body.data.messages).toEqual([]);
      const path = `/messages/${conversationId}/mark-read`;
      const read = await call('POST', path, bob, { userId: bob.id, upToSeq: 1 });
      expect(read.body.data).toMatchObject({ user_id: bob.id, last_read_seq: 1 });
      const participantIds = [alice.id, bob.id];
      const made = await call('POST', '/messages', alice, { participantIds, requestMatchId: null });
      expect(made.status).toBe(201);
    });

    it('both spellings say the same, or the field is refused', async () => {
      const twice = await send(alice, {
        content: 'x',
        client_message_id: 'a',
        clientMessageId: 'b',
      });
      refused(twice, 400, 'invalid_request');
      expect(twice.body.error.details).toEqual({
        client_message_id: 'is given twice, with different values',
      });
      const query = await call('GET', `/messages/${conversationId}?after_seq=0&afterSeq=1`, alice);
      refused(query, 400, 'invalid_request');
      expect(Object.keys(query.body.error.details ?? {})).toEqual(['after_seq']);
      const same = await send(alice, {
        content: 'x',
        client_message_id: 'a',
        clientMessageId: 'a',
      });
      expect(same.status).toBe(201);
    });

    it('400 with its name for a query parameter that there is not, on every call', async () => {
      const calls: [string, string, object?][] = [
        ['GET', `/messages/${conversationId}?limit=2&bfeore_seq=1`],
        ['GET', `/messages/conversations/${alice.id}?offset=1`],
        ['POST', `/messages/${conversationId}?content=x`, { content: 'x' }],
        ['POST', `/messages/${conversationId}/mark-read?up_to_seq=1`],
        ['PUT', `/messages/${conversationId}/participants/${bob.id}?__proto__=x`],
      ];
      for (const [method, path, body] of calls) {
        const answer = await call(method, path, alice, body);
        refused(answer, 400, 'invalid_request');
        const name = /[?&](?!limit)(\w+)=/.exec(path)?.[1] ?? '';
        expect(answer.body.error.details).toEqual({ [name]: 'is not known' });
      }
    });
  });

  describe('identity and membership', () => {
    it('403 identity_mismatch for another’s id in a payload', async () => {
      refused(await send(alice, { content: 'x', sender_id: bob.id }), 403, 'identity_mismatch');
      const read = `/messages/${conversationId}/mark-read`;
      refused(await call('POST', read, alice, { user_id: bob.id }), 403, 'identity_mismatch');
      refused(
        await call('GET', `/messages/conversations/${bob.id}`, alice),
        403,
        'identity_mismatch',
      );
      refused(
        await call('DELETE', `/messages/${conversationId}/participants/${bob.id}`, alice),
        403,
        'identity_mismatch',
      );
    });

    it('403 not_a_participant for a stranger on every route, and for what does not exist', async () => {
      for (const id of [conversationId, randomUUID()]) {
        refused(await send(carol, { content: 'x' }, id), 403, 'not_a_participant');
        refused(await call('GET', `/messages/${id}`, carol), 403, 'not_a_participant');
        refused(
          await call('POST', `/messages/${id}/mark-read`, carol, {}),
          403,
          'not_a_participant',
        );
        refused(
          await call('PUT', `/messages/${id}/participants/${carol.id}`, carol),
          403,
          'not_a_participant',
        );
      }
      expect(door.announced).toEqual([]);
    });

    it('a service names whom it acts for, and hears 404 for what does not exist', async () => {
      const sent = await send(undefined, { content: 'from the backend', sender_id: bob.id });
      expect(sent.status).toBe(201);
      refused(await send(undefined, { content: 'x' }), 400, 'invalid_request');
      const stranger = { content: 'x', sender_id: carol.id };
      refused(await send(undefined, stranger), 403, 'not_a_participant');
      const gone = randomUUID();
      refused(await send(undefined, { content: 'x', sender_id: bob.id }, gone), 404, 'not_found');
      refused(await call('GET', `/messages/${gone}`), 404, 'not_found');
      expect((await call('GET', `/messages/${conversationId}`)).status).toBe(200);
    });

    it('takes ids in either case', async () => {
      const answer = await send({ id: alice.id.toUpperCase() }, { content: 'x' });
      expect(answer.body.data.sender_id).toBe(alice.id);
      const upper = await send(alice, { content: 'x' }, conversationId.toUpperCase());
      expect(upper.body.data).toMatchObject({ conversation_id: conversationId, seq: 2 });
    });
  });

  describe('GET /messages/:conversationId', () => {
    const seqsOf = (answer: Answer) => answer.body.data.messages.map(({ seq }) => seq);

    beforeEach(async () => {
      for (let n = 1; n <= 7; n += 1) await send(n % 2 ? alice : bob, { content: `message ${n}` });
    });

    it('offset counts from the newest, a page is in chronological order, total is all', async () => {
      const newest = await call('GET', `/messages/${conversationId}?limit=3`, alice);
      expect(newest.body.data.total).toBe(7);
      expect(seqsOf(newest)).toEqual([5, 6, 7]);
      const older = await call('GET', `/messages/${conversationId}?limit=3&offset=3`, bob);
      expect(seqsOf(older)).toEqual([2, 3, 4]);
      const last = await call('GET', `/messages/${conversationId}?limit=3&offset=6`, bob);
      expect(seqsOf(last)).toEqual([1]);
      const beyond = await call('GET', `/messages/${conversationId}?offset=70`, bob);
      expect(seqsOf(beyond)).toEqual([]);
    });

    it('before_seq and after_seq place a page by position', async () => {
      const before = await call('GET', `/messages/${conversationId}?limit=2&before_seq=5`, alice);
      expect(seqsOf(before)).toEqual([3, 4]);
      const after = await call('GET', `/messages/${conversationId}?limit=2&after_seq=5`, alice);
      expect(seqsOf(after)).toEqual([6, 7]);
    });

    it.each([
      'limit=0',
      'limit=201',
      'limit=ten',
      'offset=-1',
      'offset=1.5',
      'offset=1&before_seq=3',
      'offset=0&after_seq=3',
      'after_seq=-1',
      'before_seq=0',
      'after_seq=9007199254740993',
    ])('400 invalid_request for ?%s', async (query) => {
      const answer = await call('GET', `/messages/${conversationId}?${query}`, alice);
      refused(answer, 400, 'invalid_request');
    });

    it('404 not_found for a word that no route has; 400 for any other id that is no UUID', async () => {
      const long = 'x'.repeat(1_000);
      for (const word of ['not-a-uuid', 'conversations', 'users', "1'%20OR%201=1", long]) {
        refused(await call('GET', `/messages/${word}`, alice), 404, 'not_found');
        refused(await call('POST', `/messages/${word}/mark-read`, alice), 404, 'not_found');
      }
      for (const path of [`conversations/${long}`, `${conversationId}/participants/x`]) {
        const method = path.includes('participants') ? 'PUT' : 'GET';
        refused(await call(method, `/messages/${path}`, alice), 400, 'invalid_request');
      }
    });
  });

  describe('POST /messages', () => {
    const create = (caller: { id: string } | undefined, body: unknown) =>
      call('POST', '/messages', caller, body);

    it('201 with the conversation, announced to its participants', async () => {
      const answer = await create(alice, { participant_ids: [alice.id, bob.id] });
      expect(answer.status).toBe(201);
      expect(answer.body.data).toEqual({
        id: expect.any(String),
        request_match_id: null,
        last_message_at: null,
        created_at: expect.any(String),
        participants: expect.arrayContaining([
          { id: alice.id, name: 'Alice' },
          { id: bob.id, name: 'Bob' },
        ]),
        last_seq: 0,
      });
      expect(door.announced.map(({ event }) => event)).toEqual(['conversationCreated']);
    });

    it('the same client_conversation_id is one conversation, announced once', async () => {
      const participant_ids = [alice.id, bob.id];
      const body = { participant_ids, client_conversation_id: `key-${randomUUID()}` };
      const made = await Promise.all([create(alice, body), create(alice, body)]);
      expect(made.map(({ status }) => status).sort()).toEqual([200, 201]);
      expect(made[0]?.body.data).toEqual(made[1]?.body.data);
      expect(door.announced.map(({ event }) => event)).toEqual(['conversationCreated']);
      const other = await create(alice, { ...body, participant_ids: [alice.id, carol.id] });
      refused(other, 409, 'idempotency_conflict');
      expect(other.body.error.details).toEqual({ client_conversation_id: 'was used before' });
      const service = await create(undefined, body);
      expect([service.status, (await create(undefined, body)).status]).toEqual([201, 200]);
      expect(service.body.data.id).not.toBe(made[0]?.body.data.id);
      const gone = `/messages/${made[0]?.body.data.id}/participants/${alice.id}`;
      await call('DELETE', gone, alice);
      refused(await create(alice, body), 403, 'not_a_participant');
    });

    it.each(['', 'k'.repeat(65), 'a\u0000', 5])(
      '400 invalid_request for client_conversation_id %j',
      async (client_conversation_id) => {
        const body = { participant_ids: [alice.id], client_conversation_id };
        refused(await create(alice, body), 400, 'invalid_request');
      },
    );

    it('finds the one its match has: 200 for the same people, 409 for others', async () => {
      const request_match_id = await createMatch(db.sql);
      const pair = { request_match_id, participant_ids: [alice.id, bob.id] };
      const first = await create(undefined, pair);
      const again = await create(bob, { ...pair, participant_ids: [bob.id, alice.id] });
      expect([first.status, again.status]).toEqual([201, 200]);
      expect(again.body.data.id).toBe(first.body.data.id);
      refused(
        await create(undefined, { request_match_id, participant_ids: [alice.id, carol.id] }),
        409,
        'conversation_exists',
      );
    });

    it('refuses what makes no sense', async () => {
      refused(await create(alice, { participant_ids: [bob.id] }), 403, 'identity_mismatch');
      const nobody = randomUUID();
      refused(
        await create(alice, { participant_ids: [alice.id, nobody] }),
        422,
        'unknown_reference',
      );
      refused(
        await create(alice, { participant_ids: [alice.id], request_match_id: nobody }),
        422,
        'unknown_reference',
      );
      for (const participant_ids of [
        [],
        'x',
        ['x'],
        [alice.id, alice.id],
        [alice.id, alice.id.toUpperCase()],
        Array.from({ length: 257 }, () => randomUUID()),
      ]) {
        refused(await create(alice, { participant_ids }), 400, 'invalid_request');
      }
    });
  });

  describe('GET /messages/conversations/:userId', () => {
    it('lists with people, last message and unread count, latest first', async () => {
      const person = await createPerson(db.sql, 'Dora');
      const older = await createConversation(db.sql, [person, alice]);
      const newer = await createConversation(db.sql, [person, bob]);
      await send(alice, { content: 'first' }, older);
      await send(bob, { content: 'hello' }, newer);
      await send(bob, { content: 'there' }, newer);
      await send(person, { content: 'mine' }, newer);
      const answer = await call('GET', `/messages/conversations/${person.id}`, person);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({
        success: true,
        next_cursor: null,
        data: [
          {
            id: newer,
            request_match_id: null,
            last_seq: 3,
            last_read_seq: 0,
            unread_count: 2,
            last_message: { seq: 3, content: 'mine', sender_id: person.id, sender_name: 'Dora' },
          },
          { id: older, last_seq: 1, unread_count: 1, last_message: { content: 'first' } },
        ],
      });
    });

    it('pages with next_cursor, each conversation once', async () => {
      const person = await createPerson(db.sql, 'Emil');
      const made: string[] = [];
      for (let n = 0; n < 5; n += 1) made.push(await createConversation(db.sql, [person, alice]));
      const seen: unknown[] = [];
      let cursor: string | null = null;
      do {
        const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const path = `/messages/conversations/${person.id}?limit=2${query}`;
        const answer: Answer = await call('GET', path, person);
        seen.push(...(answer.body.data as unknown as { id: string }[]).map(({ id }) => id));
        cursor = answer.body.next_cursor;
      } while (cursor !== null);
      expect(seen.sort()).toEqual(made.sort());
    });

    it('400 invalid_request for a cursor of somebody else’s making', async () => {
      const path = `/messages/conversations/${alice.id}?cursor=`;
      for (const cursor of ['nonsense', '%00', 'e30', '../..']) {
        refused(await call('GET', path + cursor, alice), 400, 'invalid_request');
      }
    });
  });

  describe('POST /messages/:conversationId/mark-read', () => {
    const markRead = (caller: { id: string } | undefined, body: object) =>
      call('POST', `/messages/${conversationId}/mark-read`, caller, body);

    it('moves the cursor, keeps status true and tells the conversation', async () => {
      await send(alice, { content: 'one' });
      await send(alice, { content: 'two' });
      await send(bob, { content: 'three' });
      door.announced.length = 0;
      const some = await markRead(bob, { user_id: bob.id, up_to_seq: 1 });
      expect(some.body.data).toEqual({
        conversation_id: conversationId,
        user_id: bob.id,
        last_read_seq: 1,
        marked: 1,
      });
      const rest = await markRead(bob, {});
      expect(rest.body.data).toMatchObject({ last_read_seq: 3, marked: 1 });
      const history = await call('GET', `/messages/${conversationId}`, alice);
      expect(history.body.data.messages.map(({ status }) => status)).toEqual([
        'read',
        'read',
        'sent',
      ]);
      expect(door.announced.map(({ event }) => event)).toEqual(['messagesRead', 'messagesRead']);
    });

    it('marks all there is without a body: every field of it may be left out', async () => {
      await send(alice, { content: 'one' });
      const path = `/messages/${conversationId}/mark-read`;
      const { status, body } = await call('POST', path, bob);
      expect([status, body.data]).toMatchObject([200, { last_read_seq: 1, marked: 1 }]);
      const empty = await call('POST', path, bob, '');
      expect([empty.status, empty.body.data]).toMatchObject([200, { last_read_seq: 1 }]);
      refused(await call('POST', path, bob, []), 400, 'invalid_request');
      // A client that has serialised nothing means nothing by it.
      for (const nothing of ['null', ' null\n']) {
        refused(await call('POST', path, bob, nothing), 400, 'invalid_request');
      }
    });

    it('never moves back, nor past the end', async () => {
      await send(alice, { content: 'one' });
      expect((await markRead(bob, { up_to_seq: 50 })).body.data.last_read_seq).toBe(1);
      expect((await markRead(bob, { up_to_seq: 0 })).body.data).toMatchObject({
        last_read_seq: 1,
        marked: 0,
      });
    });

    it('400 invalid_request for a position that is none', async () => {
      for (const up_to_seq of [-1, 1.5, '1', 2 ** 60]) {
        refused(await markRead(bob, { up_to_seq }), 400, 'invalid_request');
      }
    });
  });

  describe('participants', () => {
    const participant = (id: string) => `/messages/${conversationId}/participants/${id}`;

    it('a participant adds, the one who left is out at once', async () => {
      const added = await call('PUT', participant(carol.id), alice);
      expect(added.body).toEqual({
        success: true,
        data: { conversation_id: conversationId, user_id: carol.id },
      });
      expect((await send(carol, { content: 'hi' })).status).toBe(201);
      const removed = await call('DELETE', participant(carol.id), carol);
      expect(removed.status).toBe(200);
      refused(await send(carol, { content: 'hi' }), 403, 'not_a_participant');
      refused(await call('GET', `/messages/${conversationId}`, carol), 403, 'not_a_participant');
      expect(door.announced.map(({ event }) => event)).toEqual([
        'participantAdded',
        'messageStored',
        'participantRemoved',
      ]);
    });

    it('422 unknown_reference for a person that is not there', async () => {
      refused(await call('PUT', participant(randomUUID()), alice), 422, 'unknown_reference');
    });
  });

  describe('the rest of the door', () => {
    it('GET /health and /ready', async () => {
      const health = await call('GET', '/health');
      expect(health.body.data).toMatchObject({ status: 'healthy', service: 'messaging-service' });
      const ready = await call('GET', '/ready');
      expect([ready.status, ready.body.data]).toEqual([
        200,
        { status: 'ready', checks: { postgres: 'ok' } },
      ]);
    });

    it('GET /metrics in the text format of Prometheus', async () => {
      const response = await fetch(`${door.url}/metrics`);
      expect([response.status, response.headers.get('content-type')]).toEqual([
        200,
        'text/plain; version=0.0.4; charset=utf-8',
      ]);
      expect(await response.text()).toBe('up 1\n');
    });

    it('404 not_found for an unknown route or method', async () => {
      refused(await call('GET', '/nothing/here', alice), 404, 'not_found');
      refused(await call('PATCH', `/messages/${conversationId}`, alice, {}), 404, 'not_found');
    });

    it('401 unauthenticated for a stated id that is none', async () => {
      refused(
        await call('GET', `/messages/${conversationId}`, { id: 'alice' }),
        401,
        'unauthenticated',
      );
    });

    it('GET /docs/json describes every route in OpenAPI 3.1; /docs shows it', async () => {
      const response = await fetch(`${door.url}/docs/json`);
      const document = (await response.json()) as {
        openapi: string;
        paths: Record<string, object>;
      };
      expect(document.openapi).toBe('3.1.0');
      const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      expect(routes.sort()).toEqual([
        'DELETE /messages/{conversationId}/participants/{userId}',
        'GET /health',
        'GET /messages/conversations/{userId}',
        'GET /messages/{conversationId}',
        'GET /metrics',
        'GET /ready',
        'POST /messages',
        'POST /messages/users/{userId}/disconnect',
        'POST /messages/{conversationId}',
        'POST /messages/{conversationId}/mark-read',
        'PUT /messages/{conversationId}/participants/{userId}',
      ]);
      const page = await fetch(`${door.url}/docs`);
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('swagger-ui');
    });

    it('GET /docs/json says who is asked, and names what is generated from it', async () => {
      interface Operation {
        operationId?: string;
        security?: object[];
        requestBody?: { required: boolean; content: Record<string, { schema: object }> };
      }
      const document = (await (await fetch(`${door.url}/docs/json`)).json()) as {
        security: object[];
        components: { securitySchemes: object; schemas: object };
        paths: Record<string, Record<string, Operation>>;
      };
      expect(document.security).toEqual([{ bearer: [] }, { userId: [] }]);
      expect(Object.keys(document.components.securitySchemes)).toEqual(['bearer', 'userId']);
      const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.values(methods).map((operation) => ({ path, ...operation })),
      );
      for (const { path, security } of operations) {
        const asks = path.startsWith('/messages') ? undefined : [];
        expect([path, security]).toEqual([path, path === '/metrics' ? [{}, { bearer: [] }] : asks]);
      }
      expect(operations.map(({ operationId }) => operationId).sort()).toEqual([
        'addParticipant',
        'createConversation',
        'disconnectUser',
        'getHealth',
        'getMetrics',
        'getReadiness',
        'listConversations',
        'listMessages',
        'markRead',
        'removeParticipant',
        'sendMessage',
      ]);
      const bodies = operations.flatMap(({ operationId, requestBody }) =>
        requestBody === undefined ? [] : [[operationId, requestBody.required]],
      );
      expect(Object.fromEntries(bodies)).toEqual({
        createConversation: true,
        sendMessage: true,
        markRead: false,
      });
      expect(Object.keys(document.components.schemas)).toEqual(
        expect.arrayContaining(['Message', 'Conversation', 'Failure', 'SendMessageInput']),
      );
      const references = JSON.stringify(document).matchAll(/#\/components\/schemas\/([^"]+)/g);
      for (const [, name = ''] of references) {
        expect(document.components.schemas).toHaveProperty(name);
        expect(name).not.toMatch(/^def-/);
      }
    });

    it('GET /docs/json and /docs/events close nothing to which a release may add', async () => {
      const closed: string[] = [];
      const look = (value: unknown, path: string): void => {
        if (typeof value !== 'object' || value === null) return;
        for (const [key, inner] of Object.entries(value)) {
          const isOneOfSeveral = key === 'enum' && Array.isArray(inner) && inner.length > 1;
          if (isOneOfSeveral || (key === 'additionalProperties' && inner === false)) {
            closed.push(`${path}/${key}`);
          }
          look(inner, `${path}/${key}`);
        }
      };
      for (const path of ['/docs/json', '/docs/events']) {
        look(await (await fetch(door.url + path)).json(), path);
      }
      expect(closed).toEqual([]);
    });

    it('every answer has a request id, of the caller’s choosing if it is a plain one', async () => {
      const own = await call('GET', '/health', undefined, undefined, { 'x-request-id': 'abc-1' });
      expect(own.headers.get('x-request-id')).toBe('abc-1');
      expect(own.headers.get('x-content-type-options')).toBe('nosniff');
      const odd = await call('GET', '/nothing', alice, undefined, { 'x-request-id': 'a b"c' });
      expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('so has what the router refuses: a path that is no URL', async () => {
      const path = '/messages/%zz';
      const chosen = await call('GET', path, alice, undefined, { 'x-request-id': 'abc-2' });
      refused(chosen, 400, 'invalid_request');
      expect(chosen.headers.get('x-request-id')).toBe('abc-2');
      expect(chosen.headers.get('x-content-type-options')).toBe('nosniff');
      const made = await call('GET', path, alice);
      expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('pages carry a content security policy', async () => {
      const page = await fetch(`${door.url}/docs/static/index.html`);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(page.headers.get('x-frame-options')).toBe('SAMEORIGIN');
    });

    it('only a service ends a person’s connections', async () => {
      const path = `/messages/users/${bob.id}/disconnect`;
      refused(await call('POST', path, bob), 403, 'identity_mismatch');
      const done = await call('POST', path);
      expect([done.status, done.body.data]).toEqual([200, { user_id: bob.id }]);
      expect(door.announced).toEqual([{ event: 'userDisconnected', payload: bob.id }]);
    });

    it('answers CORS preflight', async () => {
      const response = await fetch(`${door.url}/messages/${conversationId}`, {
        method: 'OPTIONS',
        headers: {
          origin: 'http://elsewhere.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      });
      expect(response.status).toBe(204);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    });
  });
});

describe('REST with AUTH_MODE=jwt', () => {
  const secret = 'a secret of at least thirty-two bytes';
  let door: RestDoor;
  let conversationId: string;

  beforeAll(async () => {
    door = await openRestDoor('uWS bridge', { databaseUrl: db.url, jwtSecret: secret });
    conversationId = await createConversation(db.sql, [alice, bob]);
  });
  afterAll(() => door.close());

  const token = (claims: Record<string, unknown>, expiresAt: number | string = '5m') =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(expiresAt)
      .sign(new TextEncoder().encode(secret));

  async function get(authorization?: string) {
    const response = await fetch(`${door.url}/messages/${conversationId}`, {
      headers: authorization === undefined ? { 'x-user-id': alice.id } : { authorization },
    });
    const body = (await response.json()) as { error?: { code: string } };
    return [response.status, body.error?.code];
  }

  it('believes a token, by sub or by userId, and a service', async () => {
    expect(await get(`Bearer ${await token({ sub: alice.id })}`)).toEqual([200, undefined]);
    expect(await get(`Bearer ${await token({ userId: bob.id })}`)).toEqual([200, undefined]);
    expect(await get(`Bearer ${await token({ role: 'service' })}`)).toEqual([200, undefined]);
    expect(await get(`Bearer ${await token({ sub: carol.id })}`)).toEqual([
      403,
      'not_a_participant',
    ]);
  });

  it('401 without one, with a broken one, and with one that names nobody', async () => {
    expect(await get()).toEqual([401, 'unauthenticated']);
    expect(await get('Bearer x.y.z')).toEqual([401, 'unauthenticated']);
    expect(await get('Basic abc')).toEqual([401, 'unauthenticated']);
    expect(await get(`Bearer ${await token({ sub: 'alice' })}`)).toEqual([401, 'unauthenticated']);
    const forever = await new SignJWT({ sub: alice.id })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
    expect(await get(`Bearer ${forever}`)).toEqual([401, 'unauthenticated']);
  });

  it('401 token_expired for an old one', async () => {
    const old = await token({ sub: alice.id }, Math.floor(Date.now() / 1000) - 60);
    expect(await get(`Bearer ${old}`)).toEqual([401, 'token_expired']);
  });
});

describe.each(doorKinds)('REST on %s while the node goes down', (kind) => {
  it('503 unavailable in the envelope, also once the server is closing; /health lives', async () => {
    let draining = false;
    const door = await openRestDoor(kind, { databaseUrl: db.url, draining: () => draining });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = (path: string) =>
      new Promise<{ status: number | undefined; retryAfter: unknown; body: unknown }>(
        (resolve, reject) => {
          request(door.url + path, { agent, headers: { 'x-user-id': alice.id } }, (response) => {
            let text = '';
            response.on('data', (chunk) => {
              text += chunk;
            });
            response.on('end', () => {
              const body: unknown = JSON.parse(text);
              const retryAfter = response.headers['retry-after'];
              resolve({ status: response.statusCode, retryAfter, body });
            });
          })
            .on('error', reject)
            .end();
        },
      );
    const path = `/messages/conversations/${alice.id}`;
    expect((await get(path)).status).toBe(200);
    draining = true;
    const refusal = {
      status: 503,
      retryAfter: '1',
      body: {
        success: false,
        error: { code: 'unavailable', message: expect.any(String), retry_after: 1 },
      },
    };
    expect(await get(path)).toEqual(refusal);
    expect((await get('/health')).status).toBe(200);
    if (kind === 'uWS bridge') {
      // Node's http closes idle connections at this point; the bridge's connections live on.
      await door.closeHttp();
      expect(await get(path)).toEqual(refusal);
    }
    agent.destroy();
    await door.close();
  });
});

/**
 * What most tests of the whole service begin with: a database, three people in it, and the service on it.
 * All of it is the test file's own.
 */
import { afterAll, beforeAll } from 'vitest';
import { startTestApp, type TestApp } from './app.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { createConversation, createPerson, type TestPerson } from './people.ts';

const NAMES = { alice: 'Alice', bob: 'Bob', carol: 'Carol' };

export interface SceneOptions {
  /** Environment variables over the defaults of `startTestApp`. */
  settings?: Record<string, string>;
  /** What people are called, where another name than their own matters. */
  names?: Partial<typeof NAMES>;
}

/** Each of these is there from the file's first `beforeAll` that stands below `useScene()`. */
export interface Scene {
  readonly db: TestDatabase;
  readonly app: TestApp;
  readonly alice: TestPerson;
  readonly bob: TestPerson;
  readonly carol: TestPerson;
  /** Makes a conversation of these people (left out: Alice and Bob) and resolves with its id. */
  conversation(...people: TestPerson[]): Promise<string>;
}

/** Call once per test file, or once in a `describe`: what is made is ended after its last test. */
export function useScene({ settings = {}, names = {} }: SceneOptions = {}): Scene {
  let db: TestDatabase | undefined;
  let app: TestApp | undefined;
  const people: Partial<Record<keyof typeof NAMES, TestPerson>> = {};

  beforeAll(async () => {
    db = await createTestDatabase();
    for (const who of ['alice', 'bob', 'carol'] as const) {
      people[who] = await createPerson(db.sql, names[who] ?? NAMES[who]);
    }
    app = await startTestApp(db.url, settings);
  });
  afterAll(async () => {
    await app?.stop();
    await db?.drop();
  });

  const scene: Scene = {
    get db() {
      return made(db);
    },
    get app() {
      return made(app);
    },
    get alice() {
      return made(people.alice);
    },
    get bob() {
      return made(people.bob);
    },
    get carol() {
      return made(people.carol);
    },
    conversation: (...those) =>
      createConversation(scene.db.sql, those.length === 0 ? [scene.alice, scene.bob] : those),
  };
  return scene;
}

function made<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('The scene is made in beforeAll: it is not there yet.');
  return part;
}

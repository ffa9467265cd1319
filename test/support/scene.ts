/**
 * What most tests of the whole service begin with: a database, three people in it, and the service on it.
 * All of it is the test file's own, and ended after its last test.
 */
import { afterAll, beforeAll } from 'vitest';
import { startTestApp, type TestApp } from './app.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { createConversation, createPerson, type TestPerson } from './people.ts';

const NAMES = { alice: 'Alice', bob: 'Bob', carol: 'Carol' };
/** What people are called, where another name than their own matters. */
type Names = Partial<typeof NAMES>;

/** There from the first `beforeAll` on that stands below `usePeople()` or `useScene()`. */
export interface People {
  readonly db: TestDatabase;
  readonly alice: TestPerson;
  readonly bob: TestPerson;
  readonly carol: TestPerson;
  /** Makes a conversation of these people (left out: Alice and Bob) and resolves with its id. */
  conversation(...people: TestPerson[]): Promise<string>;
}

export interface Scene extends People {
  readonly app: TestApp;
}

export interface SceneOptions {
  /** Environment variables over the defaults of `startTestApp`. */
  settings?: Record<string, string>;
  names?: Names;
}

/** A database with people, for tests that start services of their own. Call once per file or `describe`. */
export function usePeople(names: Names = {}): People {
  let db: TestDatabase | undefined;
  const people: Partial<Record<keyof typeof NAMES, TestPerson>> = {};
  beforeAll(async () => {
    db = await createTestDatabase();
    for (const who of ['alice', 'bob', 'carol'] as const) {
      people[who] = await createPerson(db.sql, names[who] ?? NAMES[who]);
    }
  });
  afterAll(() => db?.drop());

  const scene: People = {
    get db() {
      return made(db);
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

/** A database with people and the service on it. Call once per file or `describe`. */
export function useScene({ settings = {}, names = {} }: SceneOptions = {}): Scene {
  const people = usePeople(names);
  let app: TestApp | undefined;
  beforeAll(async () => {
    app = await startTestApp(people.db.url, settings);
  });
  // Before the database: the last that was begun is ended first.
  afterAll(() => app?.stop());
  return Object.defineProperty(people, 'app', { get: () => made(app) }) as Scene;
}

function made<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('The scene is made in beforeAll: it is not there yet.');
  return part;
}

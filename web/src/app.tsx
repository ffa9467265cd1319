/** The page: one pane or two, each of a person of its own. Who they are is kept for this tab. */
import { useEffect, useState } from 'preact/hooks';
import { Pane } from './pane.tsx';
import { type Identity, type PageSettings, readSettings } from './rest.ts';
import { SignIn } from './sign-in.tsx';
import { Icon } from './small.tsx';

const KEPT = 'panes';
const RETRY_MS = 2_000;
const MAX_PANES = 2;

interface Slot {
  key: number;
  identity: Identity | null;
}

export function App() {
  const [settings, setSettings] = useState<PageSettings | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [slots, setSlots] = useState<Slot[]>(loadSlots);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = (): void => {
      readSettings().then(
        (read) => {
          setSettings(read);
          setProblem(null);
        },
        (error: Error) => {
          setProblem(error.message);
          timer = setTimeout(load, RETRY_MS);
        },
      );
    };
    load();
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    sessionStorage.setItem(KEPT, JSON.stringify(slots.map(({ identity }) => identity)));
  }, [slots]);

  // People made since are there when somebody looks.
  const refresh = (): void => void readSettings().then(setSettings, () => undefined);
  const setIdentity = (key: number, identity: Identity | null): void =>
    setSlots((all) => all.map((slot) => (slot.key === key ? { ...slot, identity } : slot)));
  const addPane = (): void => setSlots((all) => [...all, { key: nextKey(all), identity: null }]);
  const closePane = (key: number): void =>
    setSlots((all) => all.filter((slot) => slot.key !== key));
  const taken = slots.flatMap(({ identity }) => (identity === null ? [] : [identity.userId]));

  return (
    <>
      <header class="top">
        <h1>Messages</h1>
        {slots.length < MAX_PANES ? (
          <button type="button" class="quiet" onClick={addPane}>
            <Icon name="split" />
            <span>Second pane</span>
          </button>
        ) : null}
      </header>
      <main class={`panes of-${slots.length}`}>
        {settings === null ? (
          <p class="empty" role="status">
            {problem === null ? 'Loading …' : `${problem} Trying again …`}
          </p>
        ) : (
          slots.map(({ key, identity }, index) =>
            identity === null ? (
              <SignIn
                key={key}
                settings={settings}
                onLook={refresh}
                taken={taken}
                label={slots.length > 1 ? `Pane ${index + 1}` : 'Who are you?'}
                onPicked={(picked) => setIdentity(key, picked)}
                {...(slots.length > 1 ? { onClose: () => closePane(key) } : {})}
              />
            ) : (
              <Pane
                key={`${key} ${identity.userId}`}
                identity={identity}
                settings={settings}
                onLook={refresh}
                onRenewed={(renewed) => setIdentity(key, renewed)}
                onLeave={() => setIdentity(key, null)}
                {...(slots.length > 1 ? { onClose: () => closePane(key) } : {})}
              />
            ),
          )
        )}
      </main>
    </>
  );
}

function nextKey(slots: readonly Slot[]): number {
  return Math.max(0, ...slots.map(({ key }) => key)) + 1;
}

function loadSlots(): Slot[] {
  const identities: (Identity | null)[] = [];
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');
    if (Array.isArray(kept)) {
      for (const one of kept.slice(0, MAX_PANES)) identities.push(asIdentity(one));
    }
  } catch {
    identities.length = 0; // somebody wrote something else there
  }
  if (identities.length === 0) identities.push(null);
  return identities.map((identity, key) => ({ key, identity }));
}

function asIdentity(value: unknown): Identity | null {
  if (typeof value !== 'object' || value === null || !('userId' in value)) return null;
  const { userId, name, token }: { userId: unknown; name?: unknown; token?: unknown } = value;
  if (typeof userId !== 'string') return null;
  return {
    userId,
    name: typeof name === 'string' ? name : null,
    token: typeof token === 'string' ? token : null,
  };
}

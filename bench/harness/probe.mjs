// Loaded into every server under test with --import: collects garbage, tells its memory and records
// a CPU profile when asked over IPC. Idle it costs nothing; the server does not know of it.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const session = new Session();

const answers = {
  async memory() {
    for (let i = 0; i < 3; i += 1) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { ...process.memoryUsage() };
  },
  async startProfile() {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 500 });
    await session.post('Profiler.start');
    return {};
  },
  async stopProfile(file) {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    writeFileSync(file, JSON.stringify(profile));
    return {};
  },
};

process.on('message', ({ id, ask, argument }) => {
  answers[ask](argument).then(
    (answer) => process.send({ id, answer }),
    (error) => process.send({ id, error: String(error) }),
  );
});
// Whoever started it is gone without a word: nobody else would end it.
process.on('disconnect', () => process.exit());
process.channel?.unref();

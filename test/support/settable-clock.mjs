// Loaded before a service (--import): at every SIGUSR2 its wall clock is set by the milliseconds that
// stand in the file CLOCK_FILE. The monotonic clock goes on, as it does when an administrator or NTP
// sets the time.
import { readFileSync } from 'node:fs';

const RealDate = Date;
let offMs = 0;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + offMs] : args, newTarget),
  get: (target, name) =>
    name === 'now' ? () => RealDate.now() + offMs : Reflect.get(target, name),
});

process.on('SIGUSR2', () => {
  offMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
  process.stdout.write(`the clock is set by ${offMs} ms\n`);
});

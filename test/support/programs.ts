/** Programs of other people that tests run: found where packages put them, installed where this may be done. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackage } from './apt-redis.ts';

/** Where packages put servers, which is not on everybody's PATH. */
const USUAL_PLACES = ['/usr/sbin', '/usr/local/sbin'];

/** The program, installed from Debian's `packageName` if this machine allows it; undefined where it cannot be had. */
export async function programPath(
  name: string,
  packageName = name,
  say: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<string | undefined> {
  if (find(name) === undefined) await installPackage(packageName, say);
  const found = find(name);
  if (found === undefined)
    say(`There is no ${name} here and none can be installed: its tests are skipped.`);
  return found;
}

function find(name: string): string | undefined {
  const places = [...(process.env.PATH ?? '').split(delimiter), ...USUAL_PLACES];
  return places.map((place) => join(place, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

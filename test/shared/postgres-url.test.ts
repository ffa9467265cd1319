import { describe, expect, it } from 'vitest';
import { readPostgresUrl } from '../../src/shared/postgres-url.ts';

const DIRECTORY = '/var/run/postgresql';
const at = (path = `${DIRECTORY}/.s.PGSQL.5432`) => ({ path });

describe('a Unix socket, as libpq spells it', () => {
  it.each([
    ['postgres:///db?host=/var/run/postgresql', { ...at(), database: 'db' }],
    ['postgresql:///db?host=%2Fvar%2Frun%2Fpostgresql', { ...at(), database: 'db' }],
    ['postgres://ann@%2Fvar%2Frun%2Fpostgresql/db', { ...at(), user: 'ann', database: 'db' }],
    ['postgres://%2fvar%2frun%2fpostgresql/db', { ...at(), database: 'db' }],
    ['postgres://%2Fvar%2Frun%2Fpostgresql', at()],
    ['postgres://%2Fvar%2Frun%2Fpostgresql:5433', at(`${DIRECTORY}/.s.PGSQL.5433`)],
    [
      'postgresql://ann@/db?host=/dir&port=5433',
      { path: '/dir/.s.PGSQL.5433', user: 'ann', database: 'db' },
    ],
    ['postgres://%2Fa:1/?port=2&host=/b/', { path: '/b/.s.PGSQL.2' }],
    ['postgres://db.example:1/db?host=/b', { path: '/b/.s.PGSQL.1', database: 'db' }],
    ['POSTGRES://%2FDir', { path: '/Dir/.s.PGSQL.5432' }],
    [
      'postgres://?host=/cloudsql/a:b:c&user=ann&password=p%26w&dbname=d',
      { path: '/cloudsql/a:b:c/.s.PGSQL.5432', user: 'ann', password: 'p&w', database: 'd' },
    ],
    [
      'postgres://a%40b:p:%2F#@w+%25@/d%20b?host=/with%20space+%C3%BC',
      {
        path: '/with space+ü/.s.PGSQL.5432',
        user: 'a@b',
        password: 'p:/#@w+%',
        database: 'd b',
      },
    ],
  ])('%s', (text, socket) => {
    expect(readPostgresUrl(text)).toMatchObject({ socket });
    expect(readPostgresUrl(text)).toEqual({ socket, url: 'postgres://localhost/?' });
  });

  it('leaves the other parameters to the driver', () => {
    expect(
      readPostgresUrl('postgres:///db?application_name=a%20b&host=/d&sslmode=require'),
    ).toMatchObject({ url: 'postgres://localhost/?application_name=a%20b&sslmode=require' });
  });
});

it.each([
  'postgres://db.example/x',
  'postgresql://ann:pw@[::1]:5432/x?sslmode=require',
  'postgres:///x',
  'postgres://localhost/x?application_name=/a',
])('leaves %s to the driver as it is', (url) => {
  expect(readPostgresUrl(url)).toEqual({ url });
});

describe('says what is wrong, and shows nothing of it', () => {
  it.each([
    ['mysql://hunter2@host', /is not understood/],
    ['postgres://u:hunter2@/db', /is not understood/],
    ['postgres://u:hunter2@host:port/db', /is not understood/],
    ['postgres://u:hunter2@/db?host=/a,/b', /several hosts/],
    ['postgres://u:hunter2@/db?host=/a&port=hunter2', /port that is no number/],
    ['postgres://u:hunter2@/db?host=/a/.s.PGSQL.5432', /directory the socket is in/],
    ['postgres://u:hunter2%@/db?host=/a', /% .* %25/],
    ['postgres://u:hunter2%@host/db', /% .* %25/],
    ['postgres:///db?host=db.internal&user=u&password=hunter2', /after the \?/],
    ['postgres://db.internal/db?password=hunter2', /after the \?/],
    ['postgres://hunter2@db.internal/db?sslmode=require&%75ser=u', /after the \?/],
    ['postgres://db.internal?port=1', /after the \?/],
    ['postgres://db.internal?dbname=hunter2', /after the \?/],
    ['postgres:///db?host=%zz', /% .* %25/],
    ['postgres:///db?host=/a%00b', /is not understood/],
  ])('%s', (text, words) => {
    const read = readPostgresUrl(text);
    const fault = 'fault' in read ? read.fault : '';
    expect(fault).toMatch(words);
    expect(fault).toMatch(/^[^\n]+\.$/);
    expect(fault).not.toContain('hunter2');
  });
});

/**
 * Migrations that are on main may have been applied to somebody's database, which refuses one that was changed
 * since: what is to be otherwise is a migration of its own, and a line here.
 */
import { expect, it } from 'vitest';
import { readMigrations, SQL_DIRECTORY } from '../../src/store/migrate.ts';

const SHOWN = 16;
/** Name → the beginning of its checksum. */
const KEPT: Record<string, string> = {
  '0001_given_tables.sql': '95bf8996caa85556',
  '0002_positions.sql': '4256a2a838159683',
  '0003_list_order.sql': '50c148265c5288eb',
  '0004_members_version.sql': 'fd44fe3cd0dee680',
  '0005_lock_order.sql': 'ca78e2f79ecd941b',
  '0006_future_times.sql': 'aae25f7260652de6',
  '0010_epoch.sql': '05a97ef3cedc78a7',
  '0011_notices.sql': '3bc61ac7d9864bd9',
  '0012_trigger_rights.sql': 'f79c96ad3b144eff',
  '0013_append_messages.sql': '8d001ac773f1dc57',
  '0014_move_cursor.sql': '43b402e20515280c',
  '0015_client_conversations.sql': 'a0eb194d82c253f7',
  '0016_append_messages.sql': '4f80bd7441607633',
};

it('no migration changes once it is there', async () => {
  const migrations = await readMigrations(SQL_DIRECTORY);
  const now = migrations.map(({ name, checksum }) => [name, checksum.slice(0, SHOWN)]);
  expect(Object.fromEntries(now)).toEqual(KEPT);
});
